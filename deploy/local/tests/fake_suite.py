"""A suite of fake processes under the real runner, for the tests beside: `python fake_suite.py DATA PORTS [KAFKA]`.

Each fake answers its health, tells its process id at /pid, and dies when it is asked at /die. The log-in of a real one
costs nothing here, so the runner itself is what is tested: servers, order, supervision, stopping.
"""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from kehu_chassis.testing.servers import ServerFailed
from kehu_local import demo
from kehu_local.failures import Failed
from kehu_local.plan import HOST, Plan, find_root
from kehu_local.processes import Processes
from kehu_local.runner import Runner
from kehu_local.secrets import Secrets
from kehu_local.supervisor import Program


class _Fake(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/die":
            sys.stdout.write("asked to die\n")
            os._exit(3)
        body = str(os.getpid()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _serve(port: int) -> None:
    sys.stdout.write(f"listening on {port}\n")
    HTTPServer((HOST, port), _Fake).serve_forever()


class _Fakes(Processes):
    def load(self) -> None:
        pass

    def migrations(self, _plan: Plan, _secrets: Secrets) -> list[Program]:
        return []

    def lasting(self, plan: Plan, _secrets: Secrets) -> list[Program]:
        ports = {name: port for name, port in plan.used_ports().items() if name in {"gateway", "customer"}}
        return [Program(name, partial(_serve, port)) for name, port in ports.items()]


def _load_demo(plan: Plan) -> None:  # noqa: ARG001 - in place of another, with its parameter.
    if os.environ["FAKE_SUITE_DEMO"] == "1":
        raise Failed("the demo bank is not to be had", "until the test is over")


def main() -> int:
    data, ports, kafka = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None
    plan = Plan(root=find_root(), data=data, ports=ports, kafka=kafka, postgres=os.environ.get("FAKE_SUITE_POSTGRES"))
    say = partial(print, flush=True)
    with_demo = "FAKE_SUITE_DEMO" in os.environ
    demo.load = _load_demo
    try:
        Runner(plan, with_demo=with_demo, at=None, say=say, on_ready=lambda _: say("ready"), processes=_Fakes()).run()
    except (Failed, ServerFailed) as failure:
        say(f"failed: {failure}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
