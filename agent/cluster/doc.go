// Package cluster keeps the agents of one job together when it runs on several
// machines: node 0 leads, the others are its members, and each member holds one
// TCP link to the leader.
//
// It promises that no child starts before every node is prepared, that a node's
// failure or loss is known to all within Options.Timeout, and that every node
// ends with the leader's verdict. Every message but an event carries the whole
// state of its sender, so a link that breaks and comes back within the timeout
// has lost nothing; an event that was on its way may be.
//
// It leaves to others what to do about it: the agent stops its child, diagnose
// names the cause, only the leader speaks to the backend. The link is
// authenticated both ways with the job's callback token and is not encrypted,
// like the traffic of the training beside it.
package cluster
