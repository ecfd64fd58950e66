//! What crosses the wire, without sockets, so that a message can be understood without being received.
