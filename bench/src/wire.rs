//! HTTP/1.1 with keep-alive, and no more of it than the hub's answers need: a client that costs next to nothing.

use crate::{Result, fail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One connection to the hub.
pub(crate) struct Connection {
    stream: TcpStream,
    held: Vec<u8>,
}

/// A whole answer.
pub(crate) struct Answer {
    /// 200 and so on.
    pub(crate) status: u16,
    /// `Mcp-Session-Id`.
    pub(crate) session: Option<String>,
    /// The body, as text.
    pub(crate) body: String,
}

impl Connection {
    /// Connects to a loopback port.
    pub(crate) async fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, held: Vec::with_capacity(4096) })
    }

    /// Sends a whole request and reads the whole answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.write_all(request).await?;
        let head = self.take_until(b"\r\n\r\n").await?;
        let head = String::from_utf8(head)?;
        let status = head.get(9..12).unwrap_or_default().parse()?;
        let body = match (header(&head, "content-length"), header(&head, "transfer-encoding")) {
            (Some(length), _) => self.take(length.parse()?).await?,
            (None, Some(_)) => self.take_chunks().await?,
            (None, None) => Vec::new(),
        };
        let session = header(&head, "mcp-session-id").map(ToOwned::to_owned);
        Ok(Answer { status, session, body: String::from_utf8(body)? })
    }

    /// Sends a whole request and reads the head of the answer: its status. The body may never end.
    pub(crate) async fn begin(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request).await?;
        let head = String::from_utf8(self.take_until(b"\r\n\r\n").await?)?;
        Ok(head.get(9..12).unwrap_or_default().parse()?)
    }

    async fn take_chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = String::from_utf8(self.take_until(b"\r\n").await?)?;
            let size = usize::from_str_radix(size.trim(), 16)?;
            let mut chunk = self.take(size + 2).await?;
            if size == 0 {
                return Ok(body);
            }
            chunk.truncate(size);
            body.append(&mut chunk);
        }
    }

    async fn take_until(&mut self, end: &[u8]) -> Result<Vec<u8>> {
        loop {
            if let Some(at) = self.held.windows(end.len()).position(|window| window == end) {
                return self.take(at + end.len()).await;
            }
            self.more().await?;
        }
    }

    async fn take(&mut self, count: usize) -> Result<Vec<u8>> {
        while self.held.len() < count {
            self.more().await?;
        }
        let rest = self.held.split_off(count);
        Ok(std::mem::replace(&mut self.held, rest))
    }

    async fn more(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.held).await? {
            0 => fail("the hub closed the connection"),
            _ => Ok(()),
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value.trim()))
}
