"""provider/server.py - HTTPS on the loopback: requests to the service, control routes, the certificate.

    make_certificate(folder)       cert.pem and key.pem, by openssl; kept over restarts
    serve(folder, service, port)   until SIGTERM or SIGINT; a thread a connection, kept alive

The control routes are below /_control/ and no part of the API; they want the same secret:
    POST manners   the rules, as JSON; GET tells how often each was met
    POST clock     {"advance_s": N}      POST forget   {"key": K}, or {} for all keys
    POST customer  {"payment_intent", "then": "succeed"|"fail"}     POST expire   {"payment_intent"}
"""
import contextlib
import http.server
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading

import intents
from errors import Answer, Refusal, encode, error_answer, internal, invalid
from manners import BadManners
from service import Request

ADDRESS = "127.0.0.1"
CONTROL = "/_control/"
LARGEST_BODY = 1 << 20
HANDSHAKE_S, IDLE_S, DRAIN_S, BACKLOG = 10, 300, 10, 1024
CERTIFICATE_DAYS = 3650


def make_certificate(folder):
    cert, key = folder / "cert.pem", folder / "key.pem"
    if cert.exists() and key.exists():
        return cert, key
    made = [folder / "key.pem.new", folder / "cert.pem.new"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
               "-nodes", "-days", str(CERTIFICATE_DAYS), "-subj", "/CN=orderlog test payment provider",
               "-addext", f"subjectAltName=IP:{ADDRESS},DNS:localhost",
               "-keyout", str(made[0]), "-out", str(made[1])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"openssl made no certificate: {done.stderr.strip()}")
    made[0].chmod(0o600)
    made[0].rename(key)
    made[1].rename(cert)
    return cert, key


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = BACKLOG

    def __init__(self, port, service, context):
        self.service, self.context = service, context
        self.working, self.none_works = 0, threading.Condition()
        super().__init__((ADDRESS, port), Handler)

    def get_request(self):
        """The handshake is the connection's thread's: a slow client holds up nobody."""
        client, address = super().get_request()
        client.settimeout(HANDSHAKE_S)
        return self.context.wrap_socket(client, server_side=True,
                                        do_handshake_on_connect=False), address

    @contextlib.contextmanager
    def work(self):
        """Who is answered to its end before this program ends."""
        with self.none_works:
            self.working += 1
        try:
            yield
        finally:
            with self.none_works:
                self.working -= 1
                self.none_works.notify_all()

    def drain(self):
        with self.none_works:
            self.none_works.wait_for(lambda: not self.working, DRAIN_S)

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):  # who goes away in the middle is no news
            super().handle_error(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self):
        self.request.do_handshake()
        self.request.settimeout(IDLE_S)
        super().setup()

    def version_string(self):
        return "orderlog-provider"

    def do_POST(self):
        with self.server.work():
            self.respond()

    do_GET = do_DELETE = do_PUT = do_PATCH = do_POST

    def respond(self):
        body = self.read_body()
        if body is None:
            return
        try:
            answer = self.answer_to(body)
        except Exception:  # noqa: BLE001 - whatever it is, the client gets a 500 and the log the trace
            self.server.handle_error(self.request, self.client_address)
            answer = internal("The test provider has a fault: see its log.").answer()
        if answer:
            self.send(answer)
        else:
            self.drop()

    def read_body(self):
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > LARGEST_BODY or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self.send(error_answer(400, type="invalid_request_error",
                                   message="A body needs its length, at most 1 MiB."))
            return None
        body = self.rfile.read(int(length))
        if len(body) < int(length):  # half a request would be another one
            self.close_connection = True
            return None
        return body.decode("utf-8", "replace")

    def answer_to(self, body):
        path, _, query = self.path.partition("?")
        header = self.headers.get
        request = Request(self.command, path, query, body, header("Authorization", ""),
                          header("Content-Type", "").split(";")[0].strip().lower(),
                          header("Idempotency-Key", ""), header("Stripe-Version", ""))
        if path.startswith(CONTROL):
            return control(self.server.service, request)
        return self.server.service.answer(request)

    def send(self, answer):
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()

    def drop(self):
        """No answer and no goodbye."""
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has gone already

    def log_request(self, code="-", size="-"):
        """A line a request; never a header or a body."""
        path = self.path.partition("?")[0]
        sys.stderr.write(f"method={self.command} path={path} status={int(code)}\n")

    def log_message(self, format, *args):
        """What is no request, or ran into its time, is no news."""


# ---- control ---------------------------------------------------------------------------------------

def control(service, request):
    verb = request.path[len(CONTROL):]
    if not service.allows(request.authorization):
        return error_answer(401, type="control", message="the control routes want the secret, too")
    if request.method == "GET" and verb == "manners":
        return Answer(200, encode({"manners": json.loads(service.manners.text),
                                   "met": service.manners.counts()}))
    if request.method != "POST" or verb not in CONTROLS:
        return error_answer(404, type="control", message=f"control is one of {', '.join(CONTROLS)}")
    try:
        with service.books.transaction():
            CONTROLS[verb](service, request.body)
        service.run_due()
    except (ValueError, TypeError, KeyError, BadManners) as error:
        return error_answer(400, type="control", message=f"{verb}: {error}")
    except Refusal as refusal:
        return refusal.answer()
    return Answer(200, b"{}\n")


def control_clock(service, body):
    advance_s = json.loads(body)["advance_s"]
    if advance_s < 0:
        raise invalid("A clock goes forward.")
    service.books.put_forward(advance_s)
    service.books.something_due.notify_all()


def control_forget(service, body):
    service.books.run("DELETE FROM idempotency WHERE ?1 IS NULL OR key = ?1",
                      json.loads(body or "{}").get("key"))


CONTROLS = {
    "manners": lambda service, body: service.manners.replace(body),
    "clock": control_clock,
    "forget": control_forget,
    "customer": lambda service, body: intents.control_customer(service.books, json.loads(body)),
    "expire": lambda service, body: intents.control_expire(service.books, json.loads(body)),
}


# ---- life ------------------------------------------------------------------------------------------

def serve(folder, service, port):
    cert, key = make_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key)
    server = Server(port, service, context)
    url = f"https://{ADDRESS}:{server.server_address[1]}"
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    ticker = threading.Thread(target=service.tick, daemon=True)
    ticker.start()
    (folder / "url.new").write_text(url + "\n")
    os.rename(folder / "url.new", folder / "url")
    print(f"listening at {url}", flush=True)
    server.serve_forever(poll_interval=0.05)
    server.server_close()
    service.end()
    ticker.join()
    server.drain()
    service.books.close()
