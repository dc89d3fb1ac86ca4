"""What both references share: the message's shape and a uvicorn as a good engineer starts it."""

import argparse
import json
import socket
import sys

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

SYSTEM_PROMPT = "You are a helpful assistant."


class Message(BaseModel):
    """What the load generator sends."""

    text: str
    conversation_id: str | None = None


class MessageAnswer(BaseModel):
    """What it checks."""

    text: str
    conversation_id: str


def reference_options() -> tuple[str, str]:
    """The model server's base URL and the database's, from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model-url", required=True)
    parser.add_argument("--database-url", default="")
    options = parser.parse_args()
    return options.model_url, options.database_url


def serve_reference(app: FastAPI) -> None:
    """Serve on a free port of this machine, told as `{"port"}` on stdout, until SIGTERM."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    sys.stdout.write(json.dumps({"port": listener.getsockname()[1]}) + "\n")
    sys.stdout.flush()
    config = uvicorn.Config(app, loop="uvloop", http="httptools", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])
