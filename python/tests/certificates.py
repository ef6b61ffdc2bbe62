"""Certificates for tests, good and bad, in files."""

import datetime

import pytest
import trustme

OLD, FAR = datetime.datetime(2001, 1, 1), datetime.datetime(2200, 1, 1)


class Authority(trustme.CA):
    """Who signs certificates, and their files."""

    def __init__(self, folder):
        super().__init__()
        self.folder, self.number = folder, 0
        self.ca = self.file("ca.pem")
        self.cert_pem.write_to_path(self.ca)

    def file(self, name):
        self.folder.mkdir(exist_ok=True)
        return str(self.folder / name)

    def sign(self, *names, **options):
        """What a listener is given."""
        made = self.issue_cert(*(names or ("localhost", "127.0.0.1")), **options)
        self.number += 1
        cert, key = self.file(f"{self.number}.pem"), self.file(f"{self.number}.key")
        with open(cert, "wb") as file:
            file.writelines(blob.bytes() for blob in made.cert_chain_pems)
        made.private_key_pem.write_to_path(key)
        return {"cert": cert, "key": key}


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "own")
