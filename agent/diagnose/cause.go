package diagnose

import (
	"encoding/json"

	"github.com/vision-platform/trainer-agent/contract"
)

// Cause is the one cause of a job's end, nil for a success. upload is why the
// checkpoint that the job was run for is not in the bucket. A job whose checkpoint did
// not reach the bucket has not succeeded, whatever its exit status says.
func Cause(e Evidence, upload *contract.Failure) (failure *contract.Failure, uploading bool) {
	if f := Diagnose(e); f != nil {
		return f, false
	}
	if f := elsewhere(e); f != nil {
		return f, false
	}
	return upload, upload != nil
}

// elsewhere is the failure of another machine, which a success on this one does not
// make good. A machine that only says that its link broke is no reason of its own, but
// a stop that was caused by another machine is never a success.
func elsewhere(e Evidence) *contract.Failure {
	for _, n := range e.Nodes {
		if n.Failure != nil && n.Failure.Code != contract.CodeNodeLost && n.Failure.Code != contract.CodeNCCLTimeout {
			f := *n.Failure
			f.Message = sprintf("On node %d: %s", n.Rank, f.Message)
			return &f
		}
	}
	for _, n := range e.Nodes {
		if n.Lost {
			return contract.Failf(contract.CodeNodeLost, "Node %d was lost before it said how it ended.", n.Rank).WithHint("Run it again.")
		}
	}
	if e.Stop == StopNode {
		return contract.Failf(contract.CodeNodeLost, "The training was stopped because another machine of the job had failed or was lost.").
			WithHint("Look at the logs of the other machines, training-node-N.log beside training.log.")
	}
	return nil
}

// EndedEarly says that a script left well before it had trained all epochs, or that not
// all of them were heard of.
func EndedEarly(e Evidence, failure *contract.Failure, epochs int) []string {
	switch {
	case failure != nil, e.JobType != contract.JobTraining, e.LastEpoch >= epochs, e.Early && !e.Crowded:
		return nil
	case e.Crowded:
		return []string{sprintf("The training script ended without an error, and %d of %d epochs were heard of. Connections without the token crowded the agent's relay on 127.0.0.1, so that reports may be lost and the metrics may be those of an earlier epoch. Look at the end of the script's log for reports that failed, and for the process of this machine that connects to the relay.", e.LastEpoch, epochs)}
	case e.LastEpoch < 1:
		return nil
	}
	return []string{sprintf("The training script ended without an error after %d of %d epochs. If it did not stop early on purpose, look at the end of its log; if it did, it can say so with the event early_stopped.", e.LastEpoch, epochs)}
}

// ReportOf is what the child said of itself in its own final callback, nil when it
// said nothing.
func ReportOf(final *contract.Message) *Report {
	if final == nil {
		return nil
	}
	var said struct {
		Status       contract.Status `json:"status"`
		ErrorMessage *string         `json:"error_message"`
		Metrics      map[string]any  `json:"overall_metrics"`
	}
	if json.Unmarshal(final.Body, &said) != nil {
		return nil
	}
	r := &Report{Status: said.Status, Measured: len(said.Metrics) > 0}
	if said.ErrorMessage != nil {
		r.Error = *said.ErrorMessage
	}
	return r
}
