# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests, and the rule that no test may hang: it has ten minutes."""
import contextlib
import ctypes
import datetime
import faulthandler
import resource
import shutil
import signal
import sys
import time

import pytest

import harness

PR_SET_CHILD_SUBREAPER = 36


def pytest_configure(config):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY:
        many = 1 << 20 if hard == resource.RLIM_INFINITY else min(hard, 1 << 20)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, many), hard))
    config.addinivalue_line("markers", "seconds(n): how long this test may take, if that is more than ten minutes")


def let_the_month_end():
    """Limits count by the months and years of UTC: no test begins when one is about to end."""
    now = datetime.datetime.now(datetime.timezone.utc)
    while (now + datetime.timedelta(minutes=3)).month != now.month:
        time.sleep(1)
        now = datetime.datetime.now(datetime.timezone.utc)


@pytest.fixture(autouse=True)
def deadline(request):
    let_the_month_end()
    marker = request.node.get_closest_marker("seconds")
    limit = max(marker.args[0] if marker else 0, 600) * (3 if harness.SANITIZED or harness.STAGGER else 1)

    def late(_signal, _frame):
        faulthandler.dump_traceback(file=sys.stderr)
        signal.alarm(limit // 3)        # for what it leaves behind
        pytest.fail(f"the test took more than {limit} s")      # no OSError: nothing that waits takes it for its own
    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(limit)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def origin():
    """The default origin, which counts its answers."""
    server = harness.Origin()
    yield server
    server.stop()


@pytest.fixture
def origins():
    """A maker of origins that end with the test."""
    made = []

    def make(*arguments, **options):
        made.append(harness.Origin(*arguments, **options))
        return made[-1]

    def adopt(server):
        made.append(server)
        return server
    make.adopt = adopt
    yield make
    for server in made:
        server.stop()


@pytest.fixture
def start():
    """A maker of gateways that are stopped and checked at the end of the test: start([service...], setting=value...)"""
    made = []

    def make(*arguments, **options):
        made.append(harness.Gateway(*arguments, **options))
        return made[-1]
    yield make
    failure = None
    for gateway in made:
        try:
            gateway.stop()
        except AssertionError as error:
            failure = failure or error
    if failure:
        raise failure


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failing test shows the error logs of its gateways."""
    report = (yield).get_result()
    if report.when != "call" or not report.failed:
        return
    for name, value in item.funcargs.items():
        gateways = [value] if isinstance(value, harness.Gateway) else []
        if name == "start":
            gateways = [c for c in value.__closure__[0].cell_contents if isinstance(c, harness.Gateway)]
        for gateway in gateways:
            gateway.expect_alarms = True      # one failure a test is enough
            with contextlib.suppress(OSError, AttributeError):
                report.sections.append(("error log", gateway.log()[-6000:]))


@pytest.fixture(scope="session")
def certs():
    """A throw-away authority and certificates for localhost and *.example.com."""
    directory = harness.scratch()
    yield harness.make_certificates(directory)
    shutil.rmtree(directory)


@pytest.fixture
def subreaper():
    """A master that has taken over becomes this process's child when the one before has ended."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    yield
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
