//! .
use crate::transport::socket::Socket;
#[derive(Debug, Clone)]
pub struct ClientTls;
impl ClientTls {
    pub async fn connect(
        &self,
        _n: &str,
        _s: Socket,
    ) -> Result<tokio_rustls::client::TlsStream<Socket>, String> {
        Err("".into())
    }
}
