"""Google Cloud Storage's emulator, and the server where a service account's key gets its tokens.

Its first line of output is JSON: `endpoint` (STORAGE_EMULATOR_HOST) and `token_uri`.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from gcp_storage_emulator.server import create_server


class TokenHandler(BaseHTTPRequestHandler):
    """Answers a signed assertion with a token (RFC 7523)."""

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        granted = "assertion=" in form and "jwt-bearer" in form
        answer = {"access_token": "emulated", "token_type": "Bearer", "expires_in": 3600}
        body = json.dumps(answer if granted else {"error": "invalid_request"}).encode()
        self.send_response(200 if granted else 400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    host, port = sys.argv[1], int(sys.argv[2])
    emulator = create_server(host, port, in_memory=True, default_bucket="vault")
    emulator.start()
    tokens = ThreadingHTTPServer((host, 0), TokenHandler)
    line = {"endpoint": f"http://{host}:{port}", "token_uri": f"http://{host}:{tokens.server_port}/token"}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    tokens.serve_forever()


if __name__ == "__main__":
    main()
