"""Checkpoints in an S3-like bucket. moto stands in for S3: it checks signatures as AWS' own library makes them."""

import re
import shutil
import urllib.request

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer
from small_world import free_port, wait_until

BUCKET = "acme-audit"
RIGHTS = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'


class S3:
    """A bucket with object lock, and one access key for it."""

    def __init__(self, port):
        self.address = f"http://127.0.0.1:{port}"
        self._tell("reset-auth", b"inf")
        self._tell("reset")
        admin = self._client("iam", "admin", "admin")
        self._client("s3", "admin", "admin").create_bucket(
            Bucket=BUCKET,
            CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
            ObjectLockEnabledForBucket=True,
        )
        admin.create_user(UserName="deputy")
        admin.put_user_policy(UserName="deputy", PolicyName="checkpoints", PolicyDocument=RIGHTS)
        key = admin.create_access_key(UserName="deputy")["AccessKey"]
        self.id, self.secret = key["AccessKeyId"], key["SecretAccessKey"]
        # From here on nobody acts without a good signature.
        self._tell("reset-auth", b"0")
        self.client = self._client("s3", self.id, self.secret)

    def _tell(self, what, body=b""):
        plain = {"content-type": "text/plain"}
        request = urllib.request.Request(f"{self.address}/moto-api/{what}", body, plain, method="POST")
        urllib.request.urlopen(request).close()

    def _client(self, service, key_id, secret):
        return boto3.client(
            service,
            endpoint_url=self.address,
            region_name="eu-central-1",
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
            config=Config(s3={"addressing_style": "path"}, proxies={}),
        )

    def objects(self):
        listed = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {entry["Key"]: self.read(entry["Key"]) for entry in listed}

    def read(self, key):
        return self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()


@pytest.fixture
def s3():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    server.start()
    yield S3(server.get_host_and_port()[1])
    server.stop()


def publish_into(world, s3, secret=None):
    (world.state / "s3.secret").write_text(secret or s3.secret)
    with world.config.open("a") as config:
        config.write(
            f'\n[audit]\npublish = [{{ bucket = "{s3.address}/{BUCKET}", prefix = "deputy/{{tenant}}/", '
            f'region = "eu-central-1", access_key_id = "{s3.id}", secret_access_key = {{ file = "s3.secret" }}, '
            'retain = "400d" }]\n'
        )


def one_run(world):
    """A hub that starts and ends: it signs at its end, and carries what it signed. Gives that checkpoint."""
    world.start_hub("/healthz")
    world.hub.end()
    return (world.state / "data/audit/default.checkpoint").read_text()


def size_of(note):
    return note.split("\n")[1]


def test_aud_03_each_checkpoint_is_an_object_that_is_written_once_and_locked(own_world, s3):
    publish_into(own_world, s3)
    first = one_run(own_world)
    second = one_run(own_world)
    kept = s3.objects()
    for note in (first, second):
        assert kept[f"deputy/default/{size_of(note)}.checkpoint"] == note
    lock = s3.client.head_object(Bucket=BUCKET, Key=f"deputy/default/{size_of(first)}.checkpoint")
    assert lock["ObjectLockMode"] == "COMPLIANCE"
    assert 399 < (lock["ObjectLockRetainUntilDate"] - lock["LastModified"]).days <= 400
    log = own_world.hub.log.read_text()
    assert s3.secret not in log and "not carried" not in log, log


def test_aud_03_a_log_that_was_made_anew_does_not_overwrite_what_was_kept(own_world, s3):
    publish_into(own_world, s3)
    kept = one_run(own_world)
    shutil.rmtree(own_world.state / "data")
    forged = one_run(own_world)
    assert size_of(kept) == size_of(forged) and kept != forged
    assert s3.read(f"deputy/default/{size_of(kept)}.checkpoint") == kept
    assert "holds another checkpoint of as many lines" in own_world.hub.log.read_text()


def test_a_wrong_key_carries_nothing_and_is_said_without_it(own_world, s3):
    publish_into(own_world, s3, secret="not-the-secret-canary")
    one_run(own_world)
    assert s3.objects() == {}
    log = own_world.hub.log.read_text()
    wait_until("a line about the refusal", lambda: re.search("answered with status 403", own_world.hub.log.read_text()))
    assert "canary" not in log and s3.secret not in log
