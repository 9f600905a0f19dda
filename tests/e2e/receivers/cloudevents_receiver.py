"""A receiver of CloudEvents that is not KULTA's own: the official SDK for Python (PyPI `cloudevents` 2).

The first line that it prints is its port. Then comes a line for each message that the SDK takes for an event, in either
mode; what it does not take is answered with 400 and its reason. Its one argument is the address that it listens at.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from cloudevents.core.bindings.http import HTTPMessage, from_http_event


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            event = from_http_event(HTTPMessage(headers=dict(self.headers), body=body))
            heard = {
                "id": event.get_id(),
                "type": event.get_type(),
                "source": event.get_source(),
                "subject": event.get_subject(),
                "time": event.get_time().isoformat(),
                "data": event.get_data(),
            }
            print(json.dumps(heard), flush=True)
            self.answer(204, b"")
        except Exception as error:
            self.answer(400, f"{type(error).__name__}: {error}".encode())

    def answer(self, code, text):
        self.send_response(code)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format, *arguments):
        pass


class Server(HTTPServer):
    def handle_error(self, request, client_address):
        # Whoever sends may be killed, and sends again.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


server = Server((sys.argv[1], 0), Receiver)
print(server.server_port, flush=True)
server.serve_forever()
