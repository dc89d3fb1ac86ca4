"""`kgents server status` without the command line around it: scripts call it often, and it must be quick."""

import json
import sys

from kgents_cli.faults import EXIT_NOT_RUNNING, as_called
from kgents_cli.home import Home
from kgents_cli.processes import find_server


def print_status(*, as_json: bool) -> int:
    """Prints what runs; 0, or 3 where nothing does."""
    home = Home.from_environment()
    server = find_server(home)
    if server is None:
        if as_json:
            print(json.dumps({"running": False, "home": str(home.path), "processes": []}))
        else:
            line = f"Kgents is not running (home: {home.path}). Start it with: kgents server start"
            print(as_called(line), file=sys.stderr)
        return EXIT_NOT_RUNNING
    if as_json:
        print(json.dumps({**server.as_json(), "home": str(home.path)}))
        return 0
    print(f"Kgents is {server.state} at {server.url or 'no address yet'} (home: {home.path})")
    print(f"{'ROLE':11} {'PID':>8}  {'STATE':10} AGENT")
    for process in server.processes:
        print(f"{process.role:11} {process.pid:>8}  {process.state:10} {process.agent or ''}".rstrip())
    return 0
