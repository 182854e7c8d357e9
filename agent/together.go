package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/agent/cluster"
	"github.com/vision-platform/trainer-agent/agent/diagnose"
	"github.com/vision-platform/trainer-agent/contract"
)

// lastWord is how long a failed job waits for the reasons of its other machines:
// a connection of the training breaks before the agent behind it has said why.
const lastWord = 5 * time.Second

// errTogether ends the preparation when another machine of the job has failed.
var errTogether = errors.New("another machine of the job has failed")

// together is this agent's place among those of a job on several machines. Node
// 0 speaks to the backend and the bucket for all; a member runs its child,
// tells node 0 what happens to it, and ends with node 0's verdict. Both ends are
// nil for a job on one machine.
type together struct {
	leader *cluster.Leader
	member *cluster.Member
}

// leads reports whether this agent reports and uploads: node 0, or the only one.
func (j *job) leads() bool { return j.rank() == 0 }

// rank is this machine's number; the only one is 0, whatever Kubernetes counts.
func (j *job) rank() int {
	if j.cfg.Nodes == 1 {
		return 0
	}
	return j.cfg.NodeRank
}

// gather opens the leader's port, or joins it. A member prepares only after it
// has joined: what it resumes from is then what the leader does.
func (j *job) gather(ctx context.Context) (err error) {
	if j.cfg.Nodes == 1 {
		return nil
	}
	o := j.nodeOptions()
	if j.leads() {
		j.together.leader, err = cluster.Listen(ctx, o)
		return err
	}
	j.progress.enter(phaseGathering)
	ctx, cancel := j.Supervisor.WithStop(ctx)
	defer cancel()
	j.together.member, err = cluster.Join(ctx, o)
	return err
}

func (j *job) nodeOptions() cluster.Options {
	host, _ := os.Hostname()
	o := cluster.Options{
		JobID: j.cfg.JobID, Rank: j.cfg.NodeRank, Nodes: j.cfg.Nodes, Host: host, Key: j.token,
		Timeout: j.cfg.NodeTimeout, Wait: j.cfg.NodeWait, OnEvent: j.told, Log: j.log,
	}
	leader := "" // node 0 listens on every address
	if !j.leads() {
		leader = j.cfg.MasterAddr
	}
	o.Address = net.JoinHostPort(leader, strconv.Itoa(j.cfg.NodePort))
	return o
}

// announce tells the other machines how a run ended that is over.
func (j *job) announce(ctx context.Context, r contract.Result) error {
	if j.cfg.Nodes == 1 {
		return nil
	}
	return cluster.Announce(ctx, j.nodeOptions(), cluster.Verdict{Exit: r.ExitCode, Failure: r.Error})
}

// assemble waits until every machine is prepared.
func (j *job) assemble(parent context.Context) error {
	ctx, cancel := j.Supervisor.WithStop(parent)
	defer cancel()
	var err error
	switch {
	case j.together.leader != nil:
		j.progress.enter(phaseGathering)
		err = j.together.leader.Assemble(ctx)
	case j.together.member != nil:
		j.progress.enter(phaseGathering)
		err = j.together.member.Assemble(ctx)
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", errTogether, err)
	}
	return err
}

// trouble fires when another machine has failed; never for a job on one.
func (t together) trouble() <-chan struct{} {
	switch {
	case t.leader != nil:
		return t.leader.Trouble()
	case t.member != nil:
		return t.member.Trouble()
	}
	return nil
}

// whileTogether ends ctx when another machine has failed: nobody finishes a
// download for a job that is over.
func (t together) whileTogether(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	release := make(chan struct{})
	go func() {
		select {
		case <-t.trouble():
			cancel(errTogether)
		case <-ctx.Done():
		case <-release:
		}
	}()
	return ctx, func() { close(release); cancel(nil) }
}

func (t together) close() {
	if t.leader != nil {
		t.leader.Close()
	}
	if t.member != nil {
		t.member.Close()
	}
}

// leaving tells the others at once that this machine was told to stop, so that
// every child can finish its step while all are still there.
func (j *job) leaving() {
	if j.together.leader != nil {
		j.together.leader.Stop()
	}
	if j.together.member != nil {
		j.together.member.Ended(contract.Failf(contract.CodeStopped, "The machine was told to stop.").WithHint("Run it again: it resumes from its last checkpoint."))
	}
}

// ended tells node 0 how this machine's part ended, as soon as it is known.
func (t together) ended(failure *contract.Failure) {
	if t.member != nil {
		t.member.Ended(failure)
	}
}

// endTogether tells the others that this machine's part is over.
func (j *job) endTogether(o outcome) {
	if j.together.leader != nil && (o.err != nil || o.stop != diagnose.StopNone || o.status == nil || !o.status.Success()) {
		j.together.leader.Stop()
	}
}

// nodeEvidence is what is known of the other machines. A leader whose child
// failed waits a moment for their reasons.
func (j *job) nodeEvidence(o outcome) []contract.NodeEvidence {
	switch {
	case j.together.member != nil:
		return j.together.member.Evidence()
	case j.together.leader == nil, o.status != nil && o.status.Success():
		return nil
	}
	if o.stop == diagnose.StopNone || o.stop == diagnose.StopNode {
		return j.together.leader.Evidence(lastWord)
	}
	return j.together.leader.Evidence(0)
}

// verdict is how a member ends: as the leader says, once it is known how the
// job ended, so that no machine succeeds alone or is run again alone. A member
// that was told to stop waits for nobody.
func (j *job) verdict(o outcome, r *contract.Result) {
	exit := contract.ExitOK
	if r.Error != nil {
		exit = r.Error.ExitCode()
	}
	r.ExitCode = exit
	if j.together.member == nil {
		return
	}
	if o.stop == diagnose.StopTold {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), j.verdictWait())
	defer cancel()
	ctx, release := j.Supervisor.WithStop(ctx)
	defer release()
	v := j.together.member.Verdict(ctx)
	switch {
	case v != nil:
		j.take(v, r)
	case j.Supervisor.Stopping().Err() != nil:
		r.Error = contract.Failf(contract.CodeStopped, "The job was stopped from outside before it ended.").WithHint("Run it again: it resumes from its last checkpoint.")
	case r.Error == nil:
		r.Error = contract.Failf(contract.CodeNodeLost, "Node 0 was lost after the training: how the job ended is not known.").WithHint("Run it again: it resumes from its last checkpoint.")
	case r.Error.Code == contract.CodeNodeLost && !strings.HasPrefix(r.Error.Message, "Node 0"):
		// The training's connection broke before the agents' link did.
		r.Error = contract.Failf(contract.CodeNodeLost, "Node 0 was lost: it gave no more sign of life.").
			WithHint("Run it again: it resumes from its last checkpoint.").WithEvidence(r.Error.Evidence...)
	}
	if v == nil {
		r.Status, r.ExitCode = contract.StatusFailed, r.Error.ExitCode()
	}
}

// verdictWait is how long node 0 may take: its own child may go on alone, with the
// last validation, for as long as a training may; then it uploads and reports. That
// it lives is known by its link.
func (j *job) verdictWait() time.Duration {
	return j.timeLimit() + j.cfg.FlushTimeout + j.cfg.NodeTimeout
}

// take makes the leader's verdict this machine's.
func (j *job) take(v *cluster.Verdict, r *contract.Result) {
	if r.Error != nil && v.Failure == nil {
		j.warn("The job succeeded, although on this machine: " + r.Error.Line())
	}
	r.ExitCode, r.Status = v.Exit, contract.StatusSucceeded
	if v.Failure != nil {
		r.Status = contract.StatusFailed
	}
	if v.Failure == nil || r.Error == nil || r.Error.Code == contract.CodeNodeLost {
		r.Error = v.Failure
	}
}

// judged tells the members how the job ended, after everything else.
func (t together) judged(r contract.Result) {
	if t.leader != nil {
		t.leader.End(cluster.Verdict{Exit: r.ExitCode, Failure: r.Error})
	}
}

// retold are the events of a member that the backend should hear of.
var retold = []contract.EventType{
	contract.EventGPUWarning, contract.EventGPUError, contract.EventResourceWarning, contract.EventHangSuspected,
}

// retell passes an event of this machine's to node 0.
func (j *job) retell(event contract.EventType, message string, body []byte) {
	if j.together.member != nil && slices.Contains(retold, event) {
		j.together.member.Tell(cluster.Event{Type: event, Message: message, Data: body})
	}
}

// told takes an event of a member's.
func (j *job) told(rank int, e cluster.Event) {
	if !slices.Contains(retold, e.Type) {
		return
	}
	var data map[string]any
	if json.Unmarshal(e.Data, &data) != nil || data == nil {
		data = map[string]any{}
	}
	data["node"] = rank
	j.emit(e.Type, fmt.Sprintf("Node %d: %s", rank, e.Message), data)
}

// rendezvous is what torchrun reads, under its own names.
func (j *job) rendezvous(env map[string]string) {
	if j.cfg.Nodes == 1 {
		return
	}
	n, rank, port := strconv.Itoa(j.cfg.Nodes), strconv.Itoa(j.cfg.NodeRank), strconv.Itoa(j.cfg.MasterPort)
	maps.Copy(env, map[string]string{
		"NNODES": n, "NODE_RANK": rank, "MASTER_ADDR": j.cfg.MasterAddr, "MASTER_PORT": port,
		"PET_NNODES": n, "PET_NODE_RANK": rank, "PET_MASTER_ADDR": j.cfg.MasterAddr, "PET_MASTER_PORT": port,
	})
}

// silence is the outbox of a member: its child is answered, and only node 0's
// child is heard.
type silence struct{}

func (silence) Append(contract.Message) error { return nil }
func (silence) AppendAndWait(context.Context, contract.Message) ([]byte, bool, error) {
	return nil, false, nil
}
func (silence) Keep(contract.Message) error { return nil }
