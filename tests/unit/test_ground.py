"""The guard that the other tests rely on."""

import socket

import pytest


@pytest.mark.parametrize("host", ["192.0.2.1", "example.com", "10.0.0.1"])
def test_it_refuses_to_connect_to_another_machine(host: str) -> None:
    with socket.socket() as sock:
        with pytest.raises(AssertionError, match="only loopback"):
            sock.connect((host, 9))
        with pytest.raises(AssertionError, match="only loopback"):
            sock.connect_ex((host, 9))


def test_it_lets_loopback_through() -> None:
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.2", 0))
        server.listen()
        client.connect(server.getsockname())
        assert client.getpeername() == server.getsockname()
