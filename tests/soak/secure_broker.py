"""A broker as companies run it: TLS with a certificate of their own, passwords, rights by user."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from deploy.kafka.local_broker import LocalBroker

ADMIN, USER, PASSWORD = "admin", "headwater", "correct horse"
LISTENER = "SASL_SSL"

PROPERTIES = """
listeners={listener}://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners={listener}://127.0.0.1:{port}
listener.security.protocol.map={listener}:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name={listener}
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config={login} required \\
  username="{admin}" password="{password}" user_{admin}="{password}" user_{user}="{password}";
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={ca}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
# The controller's listener has no passwords; only the broker itself talks to it.
super.users=User:{admin};User:ANONYMOUS
"""
LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule"


class SecureBroker(LocalBroker):
    """SASL_SSL with PLAIN. `ADMIN` may do everything, `USER` only what it is given the right to."""

    @property
    def ca(self) -> Path:
        """The certificate that clients have to trust."""
        return self.data_dir / "ca.pem"

    def security(self, user: str) -> dict[str, Any]:
        """Settings of a client, as kafka-python names them."""
        return {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "PLAIN",
            "sasl_plain_username": user,
            "sasl_plain_password": PASSWORD,
            "ssl_cafile": str(self.ca),
        }

    def client_properties(self, user: str) -> str:
        """The same for Kafka's own tools."""
        return (
            "security.protocol=SASL_SSL\n"
            "sasl.mechanism=PLAIN\n"
            f'sasl.jaas.config={LOGIN} required username="{user}" password="{PASSWORD}";\n'
            "ssl.truststore.type=PEM\n"
            f"ssl.truststore.location={self.ca}\n"
        )

    def _write_properties(self) -> Path:
        properties = super()._write_properties()
        secure = PROPERTIES.format(
            listener=LISTENER,
            port=self.port,
            controller_port=self.controller_port,
            login=LOGIN,
            admin=ADMIN,
            user=USER,
            password=PASSWORD,
            keystore=_certificates(self.data_dir),
            ca=self.ca,
        )
        with properties.open("a") as file:  # of two lines with one name the later holds
            file.write(secure)
        return properties

    def _answers(self) -> bool:
        try:
            admin = KafkaAdminClient(
                bootstrap_servers=self.bootstrap_servers, **self.security(ADMIN)
            )
        except KafkaError:
            return False
        try:
            return bool(admin.describe_cluster()["brokers"])
        except KafkaError:
            return False
        finally:
            admin.close()


def _certificates(folder: Path) -> Path:
    """Makes an authority (ca.pem) and a certificate it has signed; the broker's key and chain."""
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    new_key = "openssl req -newkey rsa:2048 -nodes -subj"
    for command in (
        f"{new_key} /CN=authority -x509 -days 2 -keyout ca.key -out ca.pem",
        f"{new_key} /CN=broker -keyout broker.key -out broker.csr",
        "openssl x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2"
        " -extfile san -out broker.pem",
    ):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    keystore = folder / "keystore.pem"
    keystore.write_text((folder / "broker.key").read_text() + (folder / "broker.pem").read_text())
    return keystore
