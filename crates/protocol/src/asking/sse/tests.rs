use super::*;
use proptest::prelude::*;

fn parse(pieces: &[&[u8]]) -> (Vec<String>, Parser) {
    let mut parser = Parser::new(1024, 1024);
    let mut events = VecDeque::new();
    for piece in pieces {
        parser.push(piece, &mut events).expect("short");
    }
    (events.into_iter().map(|event| String::from_utf8(event.data).expect("text")).collect(), parser)
}

#[test]
fn lines_end_in_any_of_the_three_ways() {
    for end in ["\n", "\r", "\r\n"] {
        let stream = format!("data: a{end}data:b{end}{end}data: c{end}{end}");
        assert_eq!(parse(&[stream.as_bytes()]).0, ["a\nb", "c"], "{end:?}");
    }
}

#[test]
fn rule_16_comments_and_empty_data_are_no_events() {
    let (events, parser) =
        parse(&[b": keep-alive\n\nid: 1\ndata:\n\ndata\n\nid: 2\nretry: 250\ndata: x\n\n"]);
    assert_eq!(events, ["x"]);
    assert_eq!((parser.last_id(), parser.retry()), (Some("2"), Some(Duration::from_millis(250))));
}

#[test]
fn an_event_that_did_not_come_whole_is_no_place_to_resume_at() {
    let (events, mut parser) = parse(&[b"id: 1\ndata: a\n\nid: 2\ndata: b\n"]);
    assert_eq!((events.len(), parser.last_id()), (1, Some("1")));
    parser.restart();
    let mut more = VecDeque::new();
    parser.push(b"data: c\n\n", &mut more).expect("short");
    assert_eq!((more.pop_front().expect("event").data.as_slice(), parser.last_id()), (&b"c"[..], Some("1")));
}

#[test]
fn rule_26_a_line_and_an_event_are_bounded() {
    let mut parser = Parser::new(16, 1024);
    assert_eq!(parser.push(&[b'x'; 17], &mut VecDeque::new()), Err(TooLong { limit_bytes: 16 }));
    let mut parser = Parser::new(16, 20);
    let long = b"data: 0123456789\ndata: 0123456789\n";
    assert_eq!(parser.push(long, &mut VecDeque::new()), Err(TooLong { limit_bytes: 20 }));
}

#[test]
fn kinds_marks_and_odd_fields_are_understood() {
    let mut parser = Parser::new(100, 100);
    let mut events = VecDeque::new();
    parser.push(b"\xef\xbb\xbfevent: endpoint\ndata: /x\n\n", &mut events).expect("short");
    parser.push(b"event: message\nretry: soon\nid: a\0b\nwhat: x\ndata:  y\n\n", &mut events).expect("short");
    assert_eq!(events.pop_front().and_then(|event| event.kind), Some("endpoint".to_owned()));
    let second = events.pop_front().expect("second");
    assert_eq!((second.kind, second.data.as_slice()), (None, &b" y"[..]));
    assert_eq!((parser.retry(), parser.last_id()), (None, None));
}

proptest! {
    #[test]
    fn how_a_stream_is_cut_changes_nothing(
        lines in prop::collection::vec("(data: ?|id: |retry: |: |event: )?[a-c0-9]{0,5}", 0..20),
        ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r", "\r\n", "\n\n"]), 20),
        cuts in prop::collection::vec(1_usize..5, 0..200),
    ) {
        let stream: String = lines.iter().zip(&ends).map(|(line, end)| format!("{line}{end}")).collect();
        let (whole, at_once) = parse(&[stream.as_bytes()]);
        let mut pieces = Vec::new();
        let mut rest = stream.as_bytes();
        for cut in cuts {
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            pieces.push(head);
            rest = tail;
        }
        pieces.push(rest);
        let (cut, in_pieces) = parse(&pieces);
        prop_assert_eq!(whole, cut);
        prop_assert_eq!(at_once.last_id(), in_pieces.last_id());
        prop_assert_eq!(at_once.retry(), in_pieces.retry());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Parser::new(50, 60).push(&bytes, &mut VecDeque::new());
    }
}
