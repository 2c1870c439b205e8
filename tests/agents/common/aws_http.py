# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""HTTP as aws-sdk-go does it: SigV4, JSON calls, the environment's proxies, the operating system's trust store."""

import base64
import datetime
import gzip
import hashlib
import hmac
import http.client
import ipaddress
import json
import os
import random
import socket
import ssl
import time
import urllib.parse
import urllib.request

THROTTLES = {
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TooManyUpdates",
}


class AwsError(Exception):
    """The service answered with an error."""

    def __init__(self, code, message, status, request_id=""):
        super().__init__(f"{code}: {message}\n\tstatus code: {status}, request id: {request_id}")
        self.code = code
        self.message = message
        self.status = status


class RequestFailed(Exception):
    """No answer: name, connection, TLS, time."""

    def __init__(self, url, cause):
        super().__init__(f'RequestError: send request failed\ncaused by: Post "{url}": {cause}')


class Credentials:
    def __init__(self, access_key, secret_key, token="", provider=""):
        self.access_key = access_key
        self.secret_key = secret_key
        self.token = token
        self.provider = provider


class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body


def utc_now():
    return datetime.datetime.now(datetime.timezone.utc)


def dns_suffix(region):
    for prefix, suffix in (("cn-", "amazonaws.com.cn"), ("eusc-", "amazonaws.eu")):
        if region.startswith(prefix):
            return suffix
    return "amazonaws.com"


def service_url(service, region):
    return f"https://{service}.{region}.{dns_suffix(region)}"


# --- connections


def tls_context():
    context = ssl.create_default_context()
    # Newer Pythons are stricter about a CA's extensions than the Go programs are.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if "SSL_CERT_FILE" not in os.environ:
        for bundle in ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"):
            try:
                context.load_verify_locations(bundle)
                break
            except OSError:  # absent, or without a certificate
                continue
    return context


def bypasses_proxy(host):
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is not None and address.is_loopback:
        return True
    rules = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    for raw in rules.split(","):
        rule = raw.strip().lower()
        if rule == "*" or (rule and (host == rule.lstrip(".") or host.endswith("." + rule.lstrip(".")))):
            return True
        if address is not None and "/" in rule:
            try:
                if address in ipaddress.ip_network(rule, strict=False):
                    return True
            except ValueError:
                continue
    return False


def proxy_for(scheme, host):
    if bypasses_proxy(host.lower()):
        return None
    proxy = urllib.request.getproxies_environment().get(scheme)
    if proxy and "://" not in proxy:
        proxy = "http://" + proxy
    return urllib.parse.urlsplit(proxy) if proxy else None


def proxy_headers(proxy):
    if proxy.username is None:
        return {}
    login = "{}:{}".format(urllib.parse.unquote(proxy.username), urllib.parse.unquote(proxy.password or ""))
    return {"Proxy-Authorization": "Basic " + base64.b64encode(login.encode()).decode()}


def host_header(parts):
    default = {"http": 80, "https": 443, "ws": 80, "wss": 443}[parts.scheme]
    if parts.port and parts.port != default:
        return f"{parts.hostname}:{parts.port}"
    return parts.hostname


def connect(scheme, host, port, timeout):
    """Return an HTTPConnection for http or https and the headers that a plain proxy wants, or None without one."""
    proxy = proxy_for(scheme, host)
    if proxy is not None:
        target = (proxy.hostname, proxy.port or 3128)
        if scheme == "https":
            connection = http.client.HTTPSConnection(*target, timeout=timeout, context=tls_context())
            connection.set_tunnel(host, port, headers=proxy_headers(proxy))
            return connection, None
        return http.client.HTTPConnection(*target, timeout=timeout), proxy_headers(proxy)
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=tls_context()), None
    return http.client.HTTPConnection(host, port, timeout=timeout), None


def request(method, url, headers=None, body=b"", timeout=30, chunked=False):
    parts = urllib.parse.urlsplit(url)
    headers = dict(headers or {})
    headers.setdefault("Host", host_header(parts))
    connection, via_proxy = connect(
        parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme], timeout
    )
    target = parts.path or "/"
    if parts.query:
        target += "?" + parts.query
    if via_proxy is not None:
        headers.update(via_proxy)
        target = f"{parts.scheme}://{host_header(parts)}{target}"
    try:
        if chunked:
            headers["Transfer-Encoding"] = "chunked"
            connection.request(method, target, body=iter([body]), headers=headers, encode_chunked=True)
        else:
            connection.request(method, target, body=body or None, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise RequestFailed(url, error or type(error).__name__) from error
    finally:
        connection.close()
    if answer.headers.get("Content-Encoding", "") == "gzip":
        content = gzip.decompress(content)
    return Response(answer.status, answer.headers, content)


# --- SigV4


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def canonical_query(query):
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
    quoted = [(urllib.parse.quote(key, safe="-_.~"), urllib.parse.quote(value, safe="-_.~")) for key, value in pairs]
    return "&".join("{}={}".format(*pair) for pair in sorted(quoted))


def string_to_sign(method, url, headers, signed, payload_hash, scope, stamp):
    parts = urllib.parse.urlsplit(url)
    lower = {key.lower(): " ".join(str(value).split()) for key, value in headers.items()}
    canonical = "\n".join(
        [
            method,
            urllib.parse.quote(parts.path or "/", safe="/-_.~"),
            canonical_query(parts.query),
            "".join(f"{name}:{lower[name]}\n" for name in signed),
            ";".join(signed),
            payload_hash,
        ]
    )
    return "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])


def sign(method, url, headers, body, credentials, service, region):
    """Add Host, X-Amz-Date, X-Amz-Security-Token and Authorization to a copy of headers."""
    stamp = utc_now().strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    headers = dict(headers, **{"Host": host_header(urllib.parse.urlsplit(url)), "X-Amz-Date": stamp})
    if credentials.token:
        headers["X-Amz-Security-Token"] = credentials.token
    signed = sorted(name.lower() for name in headers if name.lower() not in ("user-agent", "accept-encoding"))
    text = string_to_sign(method, url, headers, signed, hashlib.sha256(body).hexdigest(), scope, stamp)
    key = ("AWS4" + credentials.secret_key).encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    headers["Authorization"] = "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}".format(
        credentials.access_key,
        scope,
        ";".join(signed),
        _hmac(key, text).hex(),
    )
    return headers


# --- JSON calls


def parse_error(response):
    try:
        fault = json.loads(response.body.decode() or "{}")
    except ValueError:
        fault = {}
    if not isinstance(fault, dict):
        fault = {}
    code = fault.get("__type") or fault.get("code") or response.headers.get("x-amzn-ErrorType") or ""
    code = str(code).split(":")[0].split("#")[-1]
    message = fault.get("message") or fault.get("Message") or ""
    if not code:
        code, message = "UnknownError", message or "unknown error"
    return AwsError(code, message, response.status, response.headers.get("x-amzn-RequestId", ""))


def retryable(error):
    if isinstance(error, RequestFailed):
        return True
    return error.status >= 500 or error.code in THROTTLES


def json_call(url, target, payload, make_headers, retries=3, base_delay=1.0, timeout=30, chunked=False, version="1.1"):
    """Call; make_headers(method, url, headers, body) returns the headers to send, signed or not."""
    url = url.rstrip("/") + "/"
    body = json.dumps(payload, separators=(",", ":")).encode()
    for attempt in range(retries + 1):
        headers = {
            "X-Amz-Target": target,
            "Content-Type": "application/x-amz-json-" + version,
            "Accept-Encoding": "gzip",
        }
        try:
            response = request("POST", url, make_headers("POST", url, headers, body), body, timeout, chunked)
            if 200 <= response.status < 300:
                return json.loads(response.body.decode() or "{}")
            raise parse_error(response)
        except (AwsError, RequestFailed) as error:
            if attempt == retries or not retryable(error):
                raise
        time.sleep(random.uniform(1, 1.5) * base_delay * 2**attempt)
    raise AssertionError("unreachable")


def first_ipv4():
    """Return (name, address) of the first interface that is no loopback and has an IPv4 address."""
    import fcntl
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _index, name in socket.if_nameindex():
            if name == "lo":
                continue
            try:
                answer = fcntl.ioctl(probe.fileno(), 0x8915, struct.pack("256s", name.encode()[:15]))  # SIOCGIFADDR
            except OSError:
                continue
            return name, socket.inet_ntoa(answer[20:24])
    return "", ""
