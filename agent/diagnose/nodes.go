package diagnose

import (
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

// brokenLink is how the loss of another machine shows in a training process:
// gloo, NCCL and torch's store in their own words.
var brokenLink = pattern.Of(`Connection (reset|closed) by peer|Connection reset|DistNetworkError|DistBackendError|ncclRemoteError|remote process exited|Broken pipe|BrokenPipeError|Connection refused|gloo/transport|Socket Timeout|recvValue failed|sendBytes failed`)

// otherNodes: another machine of the job failed, or is gone. A cause in this
// machine's own log comes before it, because then the others are its victims.
func otherNodes(c findings) (*contract.Failure, bool) {
	if len(c.Nodes) == 0 {
		return nil, false
	}
	for _, n := range c.Nodes {
		if n.Failure != nil && !victim(n.Failure.Code) {
			return found(blame(n))
		}
	}
	for _, n := range c.Nodes {
		switch {
		case n.Lost:
			return found(contract.Failf(contract.CodeNodeLost, "%s was lost%s: it gave no more sign of life.", name(n), afterEpoch(c.Evidence)).
				WithHint("%s If it is the same machine each time, suspect that machine or its network.", c.Again.hint()).
				WithEvidence(quote(c)...))
		case n.Crowded:
			return found(contract.Failf(contract.CodeNodeLost, "%s never came while connections that do not prove the token crowded AGENT_NODE_PORT of node 0.", name(n)).
				WithHint("Close AGENT_NODE_PORT to all but the job's machines (a NetworkPolicy or a firewall); the log of node 0 says where the connections come from. Check too that as many machines run as NNODES says."))
		case n.Absent:
			return found(contract.Failf(contract.CodeNodeLost, "%s never came.", name(n)).
				WithHint("Check that as many machines run as NNODES says and that they reach node 0 at MASTER_ADDR, or raise AGENT_NODE_WAIT."))
		}
	}
	if fact, ok := factOf(c, brokenLink); ok || c.Stop == StopNode {
		f := contract.Failf(contract.CodeNodeLost, "The training on another machine of the job ended first%s.", afterEpoch(c.Evidence)).
			WithHint("Look at the logs of the other machines, training-node-N.log beside training.log.")
		if ok {
			f = f.WithEvidence(fact)
		}
		return found(f.WithEvidence(quote(c)...))
	}
	return nil, false
}

// victim: a failure that says only that somebody else failed.
func victim(code contract.Code) bool {
	return code == contract.CodeNodeLost || code == contract.CodeNCCLTimeout
}

// blame is another machine's failure in this job's words.
func blame(n contract.NodeEvidence) *contract.Failure {
	f := *n.Failure
	f.Message = sprintf("On %s: %s", name(n), f.Message)
	return &f
}

func name(n contract.NodeEvidence) string {
	if n.Host == "" {
		return sprintf("Node %d", n.Rank)
	}
	return sprintf("Node %d (%s)", n.Rank, n.Host)
}
