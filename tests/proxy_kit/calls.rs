//! Calls to a proxy, on h2.

use std::net::SocketAddr;
use std::time::Duration;

use viaduct::Status;
use viaduct_testkit::frame;

pub fn message(text: &[u8]) -> Vec<u8> {
    frame::message(0, text)
}

/// A client on h2.
pub struct Client(pub h2::client::SendRequest<bytes::Bytes>);

/// Head, body and status.
pub type Answer = (http::response::Parts, Vec<u8>, Option<Status>);

impl Client {
    pub async fn connect(addr: SocketAddr) -> Self {
        let socket = tokio::net::TcpStream::connect(addr).await.unwrap();
        let (send, connection) = h2::client::handshake(socket).await.unwrap();
        tokio::spawn(connection);
        Self(send)
    }

    pub async fn call(&mut self, body: &[u8], binary: &str) -> Answer {
        self.call_with(body, &[("k-bin", binary)]).await
    }

    pub async fn call_with(&mut self, body: &[u8], headers: &[(&'static str, &str)]) -> Answer {
        let mut request = http::Request::post("http://front.example/test.Echo/Unary")
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let (response, mut stream) =
            self.0.clone().ready().await.unwrap().send_request(request, false).unwrap();
        stream.send_data(message(body).into(), true).unwrap();
        let call = async {
            let (head, mut body) = response.await.unwrap().into_parts();
            let mut bytes = Vec::new();
            while let Some(data) = body.data().await {
                let data = data.unwrap();
                body.flow_control().release_capacity(data.len()).unwrap();
                bytes.extend_from_slice(&data);
            }
            let trailers = body.trailers().await.unwrap();
            let status = trailers.as_ref().and_then(viaduct::status::from_headers);
            let status = status.or_else(|| viaduct::status::from_headers(&head.headers));
            (head, bytes, status)
        };
        tokio::time::timeout(Duration::from_secs(10), call).await.expect("the call hangs")
    }
}

/// A call on a connection of its own.
pub async fn called(addr: SocketAddr, body: &[u8]) -> Answer {
    Client::connect(addr).await.call(body, "AP8K").await
}

pub fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
