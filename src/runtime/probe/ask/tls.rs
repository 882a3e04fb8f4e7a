//! TLS as probes and hooks want it: encrypted, with whoever answers (rule 63).

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned};

use super::Failed;
use super::http::NoAnswer;
use super::wire::Wire;
use crate::runtime::cause;
use crate::runtime::probe::connection::addresses;
use crate::spec::ProbeHost;

/// Takes every certificate: one that a pod shows to its own supervisor is as good as the pod, and mostly
/// self-signed. Kubernetes does the same. Where anybody's certificate is taken, proof that it is his would
/// prove nothing, and reading it would refuse what a browser's rules do not know.
#[derive(Debug)]
struct Anyone;

/// A connection on which TLS has begun.
pub(super) fn begin(
    mut wire: Wire,
    host: &ProbeHost,
    authority: &str,
) -> Result<StreamOwned<ClientConnection, Wire>, NoAnswer> {
    let failed = |why: String| NoAnswer::Failed(Failed(format!("cannot speak TLS with {authority}: {why}")));
    let mut connection = connection(host).map_err(|error| failed(error.to_string()))?;
    while connection.is_handshaking() {
        if let Err(error) = connection.complete_io(&mut wire) {
            return Err(if wire.speaks_plain_http() { NoAnswer::PlainHttp } else { failed(cause(error)) });
        }
    }
    Ok(StreamOwned::new(connection, wire))
}

fn connection(host: &ProbeHost) -> Result<ClientConnection, Error> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    // An address is not sent along; a name is, so that a server of many names knows whom it is to be.
    let name = match (host, addresses(host).first()) {
        (ProbeHost::Name(name), _) => ServerName::try_from(name.to_string()).ok(),
        (ProbeHost::Localhost, _) => ServerName::try_from("localhost").ok(),
        (ProbeHost::Pod | ProbeHost::Address(_), address) => address.map(|address| (*address).into()),
    };
    let name = name.ok_or_else(|| Error::General("the host's name is none that TLS knows".to_owned()))?;
    ClientConnection::new(Arc::new(config), name)
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::ED25519,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
        ]
    }
}
