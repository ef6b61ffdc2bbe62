//! Certificates for tests, good and bad, in files of a folder that lives as long.

use ndbytes::io::channel::TlsOptions;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::path::PathBuf;

/// Who signs certificates.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let own = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), own.pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate for this machine, with what `change` makes of it.
    pub(crate) fn sign(&self, change: impl FnOnce(&mut CertificateParams)) -> TlsOptions {
        self.keep(change, |params, key| params.signed_by(key, &self.issuer).unwrap().pem())
    }

    /// The same that nobody but itself has signed.
    pub(crate) fn alone(&self, change: impl FnOnce(&mut CertificateParams)) -> TlsOptions {
        self.keep(change, |params, key| params.self_signed(key).unwrap().pem())
    }

    fn keep(
        &self,
        change: impl FnOnce(&mut CertificateParams),
        make: impl FnOnce(&CertificateParams, &KeyPair) -> String,
    ) -> TlsOptions {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let number = std::fs::read_dir(self.folder.path()).unwrap().count();
        let (cert, private) =
            (self.file(&format!("{number}.pem")), self.file(&format!("{number}.key")));
        std::fs::write(&cert, make(&params, &key)).unwrap();
        std::fs::write(&private, key.serialize_pem()).unwrap();
        TlsOptions { cert: Some(cert), key: Some(private), ..Default::default() }
    }

    /// Of who trusts it.
    pub(crate) fn trusted(&self) -> TlsOptions {
        TlsOptions { ca: Some(self.file("ca.pem")), ..Default::default() }
    }
}

/// Of who trusts one key.
pub(crate) fn pinned(pin: &str) -> TlsOptions {
    TlsOptions { pin: Some(pin.to_owned()), ..Default::default() }
}
