"""A real OpenTelemetry Collector, and a world whose hub sends its traces there."""

import json

from signing import POLICY
from small_world import ROOT, SmallWorld, free_port, wait_until
from stock import of_npm

COLLECTOR = ROOT / ".deputy/tools/bin/otel-collector"
# What the hub shows the collector, and nobody else may read.
SECRET = "the-collectors-own-secret"


class CollectedWorld(SmallWorld):
    """Identity provider, hub, a server with a memory, and a collector that writes down what it takes."""

    def __init__(self, state):
        self.collector_port = free_port()
        super().__init__(state)
        self.lines = self.state / "spans.jsonl"
        config = self.state / "collector.yaml"
        config.write_text(f"""receivers: {{ otlp: {{ protocols: {{ http: {{ endpoint: "127.0.0.1:{self.collector_port}" }} }} }} }}
exporters: {{ lines: {{ path: "{self.lines}" }} }}
service:
  telemetry: {{ metrics: {{ level: none }} }}
  pipelines: {{ traces: {{ receivers: [otlp], exporters: [lines] }} }}
""")
        self.collector = self._program("collector", [COLLECTOR, "--config", config])

    def _config(self, hub):
        (self.state / "policy").mkdir()
        (self.state / "policy/all.cedar").write_text(POLICY)
        (self.state / "otlp.headers").write_text(f"authorization: Bearer {SECRET}\n")
        command = ", ".join(f'"{part}"' for part in of_npm("memory"))
        return f"""{super()._config(hub)}
[policy]
dir = "{self.state / "policy"}"

[telemetry]
otlp_endpoint = "http://127.0.0.1:{self.collector_port}"
otlp_headers = {{ file = "{self.state / "otlp.headers"}" }}
service_name = "deputy-of-acme"

[[server]]
name = "memory"
command = [{command}]
env = {{ PATH = "/usr/bin:/bin", MEMORY_FILE_PATH = "{self.state}/memory.jsonl" }}

[server.class]
read_graph = ["read"]
create_entities = ["write"]
"""

    def start(self):
        self.start_collector()
        self.start_idp()
        self.start_hub()

    def start_collector(self):
        self.collector.start()
        wait_until("the collector listening", lambda: "Everything is ready" in self.collector.log.read_text())

    def stop(self):
        super().stop()
        self.collector.end()

    def taken(self):
        """What the collector took: each span with the attributes of its resource, in the words of OTLP's JSON."""
        if not self.lines.exists():
            return []
        found = []
        for line in self.lines.read_text().splitlines():
            for group in json.loads(line)["resourceSpans"]:
                resource = said(group["resource"])
                found += [(span, resource) for scope in group["scopeSpans"] for span in scope["spans"]]
        return found


def said(thing):
    """The attributes of a span or a resource."""
    return {pair["key"]: pair["value"]["stringValue"] for pair in thing.get("attributes", [])}
