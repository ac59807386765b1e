"""The host key: made once, 0600, kept; what is wrong with a file is said with its name."""

from __future__ import annotations

import os

import asyncssh
import pytest

from cryptomap.transport.hostkey import HostKeyFault, load_host_key, read_host_key


def test_made_on_first_start_and_kept(tmp_path):
    directory = tmp_path / "state" / "ssh"
    key = load_host_key(directory)
    path = directory / "ssh_host_ed25519_key"
    assert key.get_algorithm() == "ssh-ed25519"
    assert path.stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o077 == 0
    assert load_host_key(directory).export_public_key() == key.export_public_key()
    assert path.with_suffix(".pub").read_bytes() == key.export_public_key()
    assert sorted(os.listdir(directory)) == ["ssh_host_ed25519_key", "ssh_host_ed25519_key.pub"]


def test_readable_by_others_is_refused(tmp_path):
    load_host_key(tmp_path)
    (tmp_path / "ssh_host_ed25519_key").chmod(0o640)
    with pytest.raises(HostKeyFault, match="ssh_host_ed25519_key: others may read"):
        load_host_key(tmp_path)


def test_no_key_is_refused(tmp_path):
    path = tmp_path / "ssh_host_ed25519_key"
    path.write_text("nonsense")
    path.chmod(0o600)
    with pytest.raises(HostKeyFault, match="not a private key"):
        load_host_key(tmp_path)


def test_a_directory_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HostKeyFault, match="file"):
        load_host_key(tmp_path / "file" / "ssh")


def test_a_key_of_the_operator_may_be_of_any_type(tmp_path):
    key = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    path = tmp_path / "ours"
    path.touch(mode=0o600)
    key.write_private_key(str(path))
    assert read_host_key(path) == key
    with pytest.raises(HostKeyFault, match="missing: No such file"):
        read_host_key(tmp_path / "missing")


def test_an_rsa_key_for_old_clients_besides(tmp_path):
    own, rsa = load_host_key(tmp_path), load_host_key(tmp_path, "ssh-rsa")
    assert (own.get_algorithm(), rsa.get_algorithm()) == ("ssh-ed25519", "ssh-rsa")
    assert load_host_key(tmp_path, "ssh-rsa") == rsa
    assert (tmp_path / "ssh_host_rsa_key").stat().st_mode & 0o777 == 0o600
