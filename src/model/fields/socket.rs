//! Numbers in the record itself (`struct inet_diag_msg`) and in its small attributes.

use super::{Field, Reading, Source, fields};
use crate::model::{Socket, State};

fn given<T: Into<u64>>(value: Option<T>) -> Reading {
    value.map_or(Reading::Absent, |value| Reading::Integer(value.into()))
}

fn of_connection(socket: &Socket, value: u32) -> Reading {
    given((socket.state != State::Listen).then_some(value))
}

fn of_listener(socket: &Socket, value: u32) -> Reading {
    given((socket.state == State::Listen).then_some(value))
}

fn of_full(socket: &Socket, value: u32) -> Reading {
    given((!socket.is_minisock()).then_some(value))
}

fields! {
    RECV_Q "recv_q" "recv_q" Socket Gauge Bytes "3.10" Source::Row(|socket| of_connection(socket, socket.receive_queue)), => "Bytes received and not read by the program.";
    SEND_Q "send_q" "send_q" Socket Gauge Bytes "3.10" Source::Row(|socket| of_connection(socket, socket.send_queue)), => "Bytes written by the program and not acknowledged by the peer.";
    ACCEPT_QUEUE "accept_queue" "accept_queue" Socket Gauge Connections "3.10" Source::Row(|socket| of_listener(socket, socket.receive_queue)), => "Connections of a listener that wait for accept().";
    ACCEPT_QUEUE_MAX "accept_queue_max" "accept_queue_max" Socket Gauge Connections "3.10" Source::Row(|socket| of_listener(socket, socket.send_queue)), => "A listener's backlog; one more than this fits.";
    INODE "inode" "inode" Socket Code None "3.10" Source::Row(|socket| Reading::Integer(socket.inode.into())), => "Inode of the socket's file; 0 when no program holds it.";
    UID "uid" "uid" Socket Code None "3.10" Source::Row(|socket| of_full(socket, socket.uid)), => "User id of the socket's owner.";
    TIMER_EXPIRES "timer_expires" "timer_expires_ms" Socket Gauge Milliseconds "3.10" Source::Row(|socket| given(socket.timer.map(|timer| timer.expires_ms))), => "Time until the running timer fires.";
    TIMER_RETRANSMITS "timer_retransmits" "timer_retransmits" Socket Gauge Events "3.10" Source::Row(|socket| given(socket.timer.map(|timer| timer.retransmits))), => "Times the running timer has already fired without an answer.";
    TOS "tos" "tos" Socket Code None "3.10" Source::Row(|socket| given(socket.tos)), => "IPv4 type of service byte.";
    TCLASS "tclass" "tclass" Socket Code None "3.10" Source::Row(|socket| given(socket.tclass)), => "IPv6 traffic class byte.";
    MARK "mark" "mark" Socket Code None "4.9" Source::Row(|socket| given(socket.mark)), => "Socket mark (SO_MARK); only sent to holders of CAP_NET_ADMIN.";
    CLASS_ID "class_id" "class_id" Socket Code None "4.9" Source::Row(|socket| given(socket.class_id)), => "net_cls class, or the socket's priority.";
    SHUTDOWN "shutdown" "shutdown" Socket Code None "3.10" Source::Row(|socket| given(socket.shutdown)), => "Closed directions: 1 receive, 2 send, 3 both.";
    CGROUP_ID "cgroup_id" "cgroup_id" Socket Code None "5.9" Source::Row(|socket| given(socket.cgroup_id)), => "Id of the cgroup v2 in which the socket was created.";
    INTERFACE_INDEX "interface_index" "interface_index" Socket Code None "3.10" Source::Row(|socket| given((socket.interface != 0).then_some(socket.interface))), => "Index of the interface the socket is bound to.";
    LPORT "lport" "lport" Socket Code None "3.10" Source::Row(|socket| Reading::Integer(socket.local.port.into())), => "Local port as a number.";
    RPORT "rport" "rport" Socket Code None "3.10" Source::Row(|socket| Reading::Integer(socket.remote.port.into())), => "Remote port as a number.";
}

/// Every number of the record itself.
pub static SOCKET: &[&Field] = &[
    &RECV_Q,
    &SEND_Q,
    &ACCEPT_QUEUE,
    &ACCEPT_QUEUE_MAX,
    &INODE,
    &UID,
    &TIMER_EXPIRES,
    &TIMER_RETRANSMITS,
    &TOS,
    &TCLASS,
    &MARK,
    &CLASS_ID,
    &SHUTDOWN,
    &CGROUP_ID,
    &INTERFACE_INDEX,
    &LPORT,
    &RPORT,
];
