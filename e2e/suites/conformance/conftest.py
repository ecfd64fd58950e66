"""One hub with the stock servers behind it, for all tests of this suite that use them."""

import os

import pytest
from small_world import ROOT
from stock import StockWorld


@pytest.fixture(scope="session")
def stock():
    with StockWorld(ROOT / f".deputy/test/{os.getpid()}/stock") as running:
        yield running
