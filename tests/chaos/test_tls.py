"""A certificate that cannot be trusted ends the run before a byte of a request or key is sent."""

import shutil
import ssl
import subprocess

import pytest
from labelling import Job, heals
from support.faulty_endpoint import FaultyEndpoint

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="certificates need openssl(1)")


LATER, PAST = "20991231000000Z", "20240101000000Z"

# Of `openssl ca`, which alone lets both dates be chosen.
CONFIGURATION = """
[ca]
default_ca = chaos
[chaos]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = extensions
[any]
commonName = supplied
[extensions]
subjectAltName = {name}
basicConstraints = CA:true
"""


def certificate(folder, name, until):
    """A self-signed certificate for `name`: (its file, a server's context)."""
    folder.mkdir()
    (folder / "ca.cnf").write_text(CONFIGURATION.format(name=name))
    (folder / "index.txt").touch()
    for command in ("req -new -newkey rsa:2048 -nodes -subj /CN=chaos -keyout key.pem "
                    "-out request.pem",
                    "ca -batch -selfsign -config ca.cnf -keyfile key.pem -in request.pem "
                    f"-startdate 20230101000000Z -enddate {until} -notext -out certificate.pem"):
        subprocess.run(["openssl", *command.split()], check=True, capture_output=True, cwd=folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return folder / "certificate.pem", context


@pytest.fixture
def make_tls(data, tmp_path):
    """A job at an endpoint with a certificate for `name`, and the file that makes it trusted."""
    running = []

    def make(name="IP:127.0.0.1", until=LATER):
        authority, context = certificate(tmp_path / "tls", name, until)
        running.append(FaultyEndpoint(ssl_context=context))
        return Job(tmp_path / "job", data, running[-1]), {"SSL_CERT_FILE": str(authority)}

    yield make
    for endpoint in running:
        endpoint.stop()


def assert_untrusted(job, environment, endpoint, data, undisturbed):
    done = job.run(environment=environment)
    assert done.returncode == 1
    assert "certificate" in done.stderr and "SSL_CERT_FILE" in done.stderr, done.stderr
    assert job.endpoint.requests == []
    job.endpoint = endpoint
    heals(job, endpoint, undisturbed, missing=data.needed)


def test_trusted_certificate(make_tls, data, undisturbed):
    job, trusted = make_tls()
    assert job.run(environment=trusted).returncode == 0
    assert len(job.endpoint.requests) == data.needed
    assert job.outputs() == undisturbed


def test_unknown_authority(make_tls, endpoint, data, undisturbed):
    job, _ = make_tls()
    assert_untrusted(job, {}, endpoint, data, undisturbed)


def test_name_of_another_host(make_tls, endpoint, data, undisturbed):
    job, trusted = make_tls("DNS:other.example")
    assert_untrusted(job, trusted, endpoint, data, undisturbed)


def test_expired_certificate(make_tls, endpoint, data, undisturbed):
    job, trusted = make_tls(until=PAST)
    assert_untrusted(job, trusted, endpoint, data, undisturbed)


def test_no_tls_where_it_is_expected(make_job, endpoint, data, undisturbed):
    job = make_job(vlm__startup_patience=2)
    url = endpoint.url.replace("http:", "https:") + "/v1"
    done = job.run(settings={"vlm__openai__base_url": url})
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr, done.stderr
    assert endpoint.requests == []
    heals(job, endpoint, undisturbed, missing=data.needed)
