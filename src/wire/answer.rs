//! How the kernel ends a dump or refuses a request: `NLMSG_DONE` and
//! `NLMSG_ERROR`, with the extended acknowledgement where it sends one.

use super::attribute::Attributes;
use super::bytes::{u8_at, u32_at};
use super::message::Message;
use super::uapi::{NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_HDRLEN, NLMSGERR_ATTR_MSG};

/// The content of a control message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// A positive errno, 0 for success or acknowledgement.
    pub errno: i32,
    /// The text of the extended acknowledgement, if there is one.
    pub text: Option<&'a str>,
}

impl<'a> Answer<'a> {
    /// Reads an `NLMSG_DONE`. An empty one is legal and means success.
    pub fn of_done(message: &Message<'a>) -> Self {
        let errno = u32_at(message.payload, 0).map_or(0, errno);
        let text = (message.flags & NLM_F_ACK_TLVS != 0)
            .then(|| kernel_text(message.payload.get(4..)?))
            .flatten();
        Self { errno, text }
    }

    /// Reads an `NLMSG_ERROR`. One that is too short for an error number counts as `EBADMSG`.
    pub fn of_error(message: &Message<'a>) -> Self {
        let Some(code) = u32_at(message.payload, 0) else {
            return Self { errno: libc::EBADMSG, text: None };
        };
        let text = (message.flags & NLM_F_ACK_TLVS != 0)
            .then(|| {
                // The request's header is quoted, and its payload unless the flag says otherwise.
                let quoted = u32_at(message.payload, 4)? as usize;
                let quoted = if message.flags & NLM_F_CAPPED != 0 { NLMSG_HDRLEN } else { quoted };
                kernel_text(
                    message.payload.get(quoted.checked_add(4)?.checked_next_multiple_of(4)?..)?,
                )
            })
            .flatten();
        Self { errno: errno(code), text }
    }
}

/// The kernel sends errors negated; anything else is not an error number.
fn errno(code: u32) -> i32 {
    (code as i32).checked_neg().filter(|&errno| errno >= 0).unwrap_or(libc::EBADMSG)
}

fn kernel_text(attributes: &[u8]) -> Option<&str> {
    let value = Attributes::new(attributes)
        .map_while(Result::ok)
        .find(|attribute| attribute.kind == NLMSGERR_ATTR_MSG)?
        .value;
    let end =
        if u8_at(value, value.len().checked_sub(1)?)? == 0 { value.len() - 1 } else { value.len() };
    std::str::from_utf8(value.get(..end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::uapi::NLMSG_DONE;

    fn message(flags: u16, payload: &[u8]) -> Message<'_> {
        Message { kind: NLMSG_DONE, flags, sequence: 1, port: 0, payload }
    }

    #[test]
    fn done() {
        assert_eq!(Answer::of_done(&message(2, &[])).errno, 0);
        assert_eq!(Answer::of_done(&message(2, &0i32.to_ne_bytes())).errno, 0);
        assert_eq!(Answer::of_done(&message(2, &(-2i32).to_ne_bytes())).errno, 2);
        assert_eq!(Answer::of_done(&message(2, &i32::MIN.to_ne_bytes())).errno, libc::EBADMSG);
    }

    #[test]
    fn error_with_kernel_text() {
        let mut payload = (-22i32).to_ne_bytes().to_vec();
        payload.extend(72u32.to_ne_bytes());
        payload.extend([0; 12]); // the rest of the quoted header, payload capped away
        payload.extend(8u16.to_ne_bytes());
        payload.extend(NLMSGERR_ATTR_MSG.to_ne_bytes());
        payload.extend(b"bad\0");
        let answer = Answer::of_error(&message(NLM_F_ACK_TLVS | NLM_F_CAPPED, &payload));
        assert_eq!(answer, Answer { errno: 22, text: Some("bad") });
        assert_eq!(Answer::of_error(&message(NLM_F_ACK_TLVS, &payload)).text, None);
        assert_eq!(Answer::of_error(&message(0, &[1])).errno, libc::EBADMSG);
    }
}
