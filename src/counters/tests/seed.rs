//! The list that the catalogue started from, with its parts "not found" and "to do".

use crate::counters::Catalogue;

/// By category, as in that list.
const SEED: [(&str, &str); 22] = [
    ("constants", "RtoAlgorithm RtoMin RtoMax MaxConn"),
    ("connections", "ActiveOpens PassiveOpens AttemptFails CurrEstab EstabResets"),
    ("segments", "InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors EmbryonicRsts"),
    ("syncookies", "SyncookiesSent SyncookiesRecv SyncookiesFailed"),
    ("time_wait", "TW TWRecycled TWKilled TCPTimeWaitOverflow"),
    (
        "rto",
        "TCPTimeouts TCPSpuriousRTOs TCPLossProbes TCPLossProbeRecovery TCPRenoRecoveryFail \
         TCPSackRecoveryFail TCPRenoFailures TCPSackFailures TCPLossFailures",
    ),
    (
        "retransmission",
        "TCPLostRetransmit TCPFastRetrans TCPForwardRetrans TCPSlowStartRetrans TCPRetransFail",
    ),
    (
        "fastopen",
        "TCPFastOpenActive TCPFastOpenActiveFail TCPFastOpenPassive TCPFastOpenPassiveFail \
         TCPFastOpenListenOverflow TCPFastOpenCookieReqd",
    ),
    ("authentication", "TCPMD5NotFound TCPMD5Unexpected"),
    ("delayed_ack", "DelayedACKs DelayedACKLocked DelayedACKLost TCPSchedulerFailed"),
    (
        "dsack",
        "TCPDSACKOldSent TCPDSACKOfoSent TCPDSACKRecv TCPDSACKOfoRecv TCPDSACKIgnoredOld \
         TCPDSACKIgnoredNoUndo",
    ),
    ("reordering", "TCPFACKReorder TCPSACKReorder TCPRenoReorder TCPTSReorder"),
    ("recovery", "TCPRenoRecovery TCPSackRecovery TCPRenoRecoveryFail TCPSackRecoveryFail"),
    (
        "abort",
        "TCPAbortOnSyn TCPAbortOnData TCPAbortOnClose TCPAbortOnMemory TCPAbortOnTimeout \
         TCPAbortOnLinger TCPAbortFailed",
    ),
    ("reset", "EstabResets"),
    ("memory", "PruneCalled RcvPruned OfoPruned TCPMemoryPressures"),
    ("paws", "PAWSPassive PAWSActive PAWSEstab"),
    ("listen", "ListenOverflows ListenDrops"),
    ("undo", "TCPFullUndo TCPPartialUndo TCPDSACKUndo TCPLossUndo"),
    ("path", "TCPHPHits TCPHPHitsToUser TCPPureAcks TCPHPAcks"),
    ("sack", "TCPSACKReneging TCPSACKDiscard TCPSackShifted TCPSackMerged TCPSackShiftFallback"),
    (
        "hystart",
        "TCPHystartTrainDetect TCPHystartTrainCwnd TCPHystartDelayDetect TCPHystartDelayCwnd",
    ),
];

/// Counters in that list without a category or an explanation.
const REST: &str = "OutOfWindowIcmps LockDroppedIcmps ArpFilter TCPPrequeued TCPDirectCopyFromBacklog \
    TCPDirectCopyFromPrequeue TCPPrequeueDropped TCPRcvCollapsed TCPBacklogDrop TCPMinTTLDrop \
    TCPDeferAcceptDrop IPReversePathFilter TCPReqQFullDoCookies TCPReqQFullDrop TCPRcvCoalesce \
    TCPOFOQueue TCPOFODrop TCPOFOMerge TCPChallengeACK TCPSYNChallenge TCPSpuriousRtxHostQueues \
    BusyPollRxPackets TCPAutoCorking TCPFromZeroWindowAdv TCPToZeroWindowAdv TCPWantZeroWindowAdv \
    TCPSynRetrans TCPOrigDataSent InNoRoutes InTruncatedPkts InMcastPkts OutMcastPkts InBcastPkts \
    OutBcastPkts InOctets OutOctets InMcastOctets OutMcastOctets InBcastOctets OutBcastOctets \
    InNoECTPkts InECT1Pkts InECT0Pkts InCEPkts";

#[test]
fn the_seed_is_covered() {
    let catalogue = Catalogue::builtin();
    for (category, names) in SEED {
        for name in names.split_whitespace() {
            let found = catalogue.in_category(category).any(|entry| entry.kernel_name() == name);
            assert!(found, "{name} is not in {category}");
        }
    }
    for name in REST.split_whitespace() {
        assert!(catalogue.find(name).is_some(), "{name}");
    }
}
