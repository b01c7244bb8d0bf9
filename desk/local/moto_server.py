"""Serve moto's SQS on the port given, with connections that stay open.

moto's own server closes the connection after each answer and logs each request; a poll a second would fill the disk.
"""

import logging
import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from desk.local.process import HOST


class _KeepAliveHandler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True


def main(port: int) -> None:
    """Serve until the process is ended."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    app = DomainDispatcherApplication(create_backend_app)
    make_server(HOST, port, app, threaded=True, request_handler=_KeepAliveHandler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
