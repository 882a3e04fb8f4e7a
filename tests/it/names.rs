//! Names of hosts, looked up without the C library: by files, and by a name server of the test's own. Its
//! address can only be given in /etc/resolv.conf, which is another one in a mount namespace.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::Command;
use std::thread;

use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};

use crate::harness::{Directory, Ended, PODINIT, Running, has};
use crate::servers::Answering;

/// Addresses that another run of this test does not take: of the name server, and of one that is silent.
fn addresses() -> [Ipv4Addr; 2] {
    let [.., high, middle, low] = std::process::id().to_be_bytes();
    [64, 128].map(|kind| Ipv4Addr::new(127, kind | high & 0x3f, middle, low))
}

/// Knows `db.example`, `long.example` only over TCP, and that `empty.example` has no address.
fn serve([server, silent]: [Ipv4Addr; 2]) {
    let udp = UdpSocket::bind((server, 53)).unwrap();
    let tcp = TcpListener::bind((server, 53)).unwrap();
    // Bound, so that nobody refuses what is sent there, and never read.
    let silent = UdpSocket::bind((silent, 53)).unwrap();
    thread::spawn(move || {
        let _silent = silent;
        let mut buffer = [0; 512];
        while let Ok((count, from)) = udp.recv_from(&mut buffer) {
            let mut stranger = answer(&buffer[..count], false);
            stranger[0] ^= 0xff;
            // What is no answer to the question is passed over.
            udp.send_to(&stranger, from).unwrap();
            udp.send_to(&answer(&buffer[..count], false), from).unwrap();
        }
    });
    thread::spawn(move || {
        for stream in tcp.incoming() {
            let (mut stream, mut length) = (stream.unwrap(), [0; 2]);
            stream.read_exact(&mut length).unwrap();
            let mut query = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut query).unwrap();
            let answer = answer(&query, true);
            stream.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes()).unwrap();
            stream.write_all(&answer).unwrap();
        }
    });
}

fn answer(query: &[u8], is_tcp: bool) -> Vec<u8> {
    let query = Packet::parse(query).unwrap();
    let question = query.questions[0].clone();
    let mut reply = query.into_reply();
    let name = question.qname.to_string();
    let is_a = question.qtype == QTYPE::TYPE(TYPE::A);
    match &name[..] {
        "long.example" if !is_tcp => reply.set_flags(PacketFlag::TRUNCATION),
        "db.example" | "long.example" if is_a => {
            let address = A { address: Ipv4Addr::LOCALHOST.into() };
            let record = ResourceRecord::new(question.qname.clone(), CLASS::IN, 60, RData::A(address));
            reply.answers.push(record);
        }
        "db.example" | "long.example" | "empty.example" => {}
        "broken.example" => *reply.rcode_mut() = RCODE::ServerFailure,
        _ => *reply.rcode_mut() = RCODE::NameError,
    }
    reply.questions.push(question);
    reply.build_bytes_vec().unwrap()
}

/// `podinit probe` where the two files say this.
fn probe(hosts: &str, resolv_conf: &str, words: &[&str]) -> Ended {
    let directory = Directory::new();
    let script =
        "mount --bind \"$1\" /etc/hosts && mount --bind \"$2\" /etc/resolv.conf && shift 2 && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]);
    command.arg(directory.file("hosts", hosts)).arg(directory.file("resolv.conf", resolv_conf));
    command.args([PODINIT, "probe"]).args(words).args(["--timeout", "60"]);
    Running::start(&mut command).end()
}

#[test]
fn names_are_looked_up_as_resolv_conf_says() {
    if !has(&["root", "unshare"]) {
        return;
    }
    let [own, silent] = addresses();
    serve([own, silent]);
    let server = Answering::new("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let resolv_conf = format!("nameserver {}\nsearch nowhere.example example\n", own);
    let asked = |hosts: &str, host: &str| {
        let target = format!("{host}:{}", server.port);
        let ended = probe(hosts, &resolv_conf, &["http", &target]);
        assert_eq!(ended.code(), 0, "{host}: {ended:?}");
        assert!(server.request().contains(&format!("\r\nHost: {target}\r\n")), "{host}");
    };
    asked("", "db.example");
    asked("", "db");
    asked("", "long.example");
    asked("", "localhost");
    asked("127.0.0.1 Of-This-Host # and no more\n", "of-this-host");

    let fails = |resolv_conf: &str, host: &str, why: &str| {
        let ended = probe("", resolv_conf, &["tcp", &format!("{host}:80")]);
        let line = format!("podinit: cannot find host {host:?}: {why}");
        assert_eq!((ended.code(), &ended.stderr[..]), (1, &[line][..]), "{host}");
    };
    fails(&resolv_conf, "nobody", "no such host");
    fails(&resolv_conf, "db.example.nowhere", "no such host");
    fails(&resolv_conf, "empty.example", "no such host");
    fails(&resolv_conf, "broken.example", &format!("name server {own}: it answers ServerFailure"));
    let nobody = format!("nameserver {silent}\noptions timeout:1 attempts:1\n");
    fails(&nobody, "db.example", &format!("name server {silent}: no answer within 1s"));
    // The next server is asked.
    let second = format!("nameserver {silent}\n{resolv_conf}options timeout:1\n");
    let ended = probe("", &second, &["http", &format!("db:{}", server.port)]);
    assert_eq!(ended.code(), 0, "{ended:?}");
}
