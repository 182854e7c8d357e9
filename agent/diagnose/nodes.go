package diagnose

import (
	"github.com/vision-platform/trainer-agent/contract"
)

// brokenLink is how the loss of another machine shows in a training process:
// gloo, NCCL and torch's store in their own words.
var brokenLink = re(`Connection (reset|closed) by peer|Connection reset|DistNetworkError|DistBackendError|ncclRemoteError|remote process exited|Broken pipe|BrokenPipeError|Connection refused|gloo/transport|Socket Timeout|recvValue failed|sendBytes failed`)

// otherNodes: another machine of the job failed, or is gone. A cause in this
// machine's own log comes before it, because then the others are its victims.
func otherNodes(c *inquest) (*contract.Failure, bool) {
	if len(c.Nodes) == 0 {
		return nil, false
	}
	for _, n := range c.Nodes {
		if n.Failure != nil && !victim(n.Failure.Code) {
			return found(c.blame(n))
		}
	}
	for _, n := range c.Nodes {
		switch {
		case n.Lost:
			return found(contract.Failf(contract.CodeNodeLost, "%s was lost%s: it gave no more sign of life.", name(n), c.afterEpoch()).
				WithHint("Run it again: it resumes from its last checkpoint. If it is the same machine each time, suspect that machine or its network.").
				WithEvidence(c.quote()...))
		case n.Absent:
			return found(contract.Failf(contract.CodeNodeLost, "%s never came.", name(n)).
				WithHint("Check that as many machines run as NNODES says and that they reach node 0 at MASTER_ADDR, or raise AGENT_NODE_WAIT."))
		}
	}
	if fact, ok := c.factOf(brokenLink); ok || c.Stop == StopNode {
		f := contract.Failf(contract.CodeNodeLost, "The training on another machine of the job ended first%s.", c.afterEpoch()).
			WithHint("Look at the logs of the other machines, training-node-N.log beside training.log.")
		if ok {
			f = f.WithEvidence(fact)
		}
		return found(f.WithEvidence(c.quote()...))
	}
	return nil, false
}

// victim: a failure that says only that somebody else failed.
func victim(code contract.Code) bool {
	return code == contract.CodeNodeLost || code == contract.CodeNCCLTimeout
}

// blame is another machine's failure in this job's words.
func (c *inquest) blame(n contract.NodeEvidence) *contract.Failure {
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
