package kube

import (
	"fmt"
	"strings"

	"github.com/vision-platform/trainer-agent/trainers/kit/runner"
)

type metadata struct {
	Name            string            `json:"name,omitempty"`
	Labels          map[string]string `json:"labels,omitempty"`
	ResourceVersion string            `json:"resourceVersion,omitempty"`
	Deleted         string            `json:"deletionTimestamp,omitempty"` // when it was asked for
}

// pod has what is looked at of a pod.
type pod struct {
	Metadata metadata
	Status   struct {
		Phase, Reason, Message string
		Conditions             []struct{ Type, Status, Reason, Message string }
		Init                   []containerStatus `json:"initContainerStatuses"`
		Containers             []containerStatus `json:"containerStatuses"`
	}
}

type containerStatus struct {
	Name  string
	State struct {
		Waiting    *struct{ Reason, Message string }
		Running    *struct{}
		Terminated *terminated
	}
}

type terminated struct {
	ExitCode        int
	Reason, Message string
}

func (p pod) over() bool { return p.Status.Phase == "Failed" || p.Status.Phase == "Succeeded" }

// began says that the fetching of its files has begun: there was a node with the image.
func (p pod) began() bool {
	for _, c := range append(p.Status.Init, p.Status.Containers...) {
		if c.State.Running != nil || c.State.Terminated != nil {
			return true
		}
	}
	return p.over()
}

// hopeless are reasons to wait that no waiting mends.
var hopeless = []string{"InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"}

// waits is what a pod that has not begun waits for, and whether that may still come.
func (p pod) waits() (why string, hope bool) {
	for _, c := range append(p.Status.Init, p.Status.Containers...) {
		if w := c.State.Waiting; w != nil && w.Reason != "" && w.Reason != "PodInitializing" && w.Reason != "ContainerCreating" {
			hope = true
			for _, reason := range hopeless {
				hope = hope && w.Reason != reason
			}
			return w.Reason + ": " + w.Message, hope
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Status == "False" && c.Type == "PodScheduled" {
			return c.Reason + ": " + c.Message, true
		}
	}
	return "it is " + strings.ToLower(p.Status.Phase), true
}

// main is how the container of the command ended.
func (p pod) main() *terminated {
	for _, c := range p.Status.Containers {
		if c.State.Terminated != nil {
			return c.State.Terminated
		}
	}
	return nil
}

// fetching is how the container that fetches the files ended.
func (p pod) fetching() *terminated {
	for _, c := range p.Status.Init {
		if c.State.Terminated != nil && c.State.Terminated.ExitCode != 0 {
			return c.State.Terminated
		}
	}
	return nil
}

// lost is the exit code of a step that could not tell the hub how the command ended.
const lost = 75

// verdict is what the end of a pod says that told the hub nothing: the package's fault, by
// the same words as elsewhere, or the cluster's. ran says that its command was started.
func (p pod) verdict(limits runner.Limits, ran bool) error {
	end, text := p.main(), p.Status.Message
	disk := strings.Contains(text, `volume "`+outVolume+`"`) || strings.Contains(text, "exceeds the total limit of containers") || strings.Contains(text, "exceeded its local ephemeral storage limit")
	switch {
	case p.Status.Reason == "Evicted" && disk && ran:
		return runner.Over("disk", limits)
	case p.Status.Reason == "DeadlineExceeded" && ran:
		return runner.Over("time", limits)
	case p.Status.Reason != "":
		return fmt.Errorf("the pod was ended: %s: %s", p.Status.Reason, text)
	case p.Metadata.Deleted != "":
		return errDeleted
	case end != nil && end.Reason == "OOMKilled" && ran:
		return runner.Over("memory", limits)
	case end != nil && end.Reason == "Error" && ran && end.ExitCode != lost:
		return &runner.Exit{Code: end.ExitCode} // by the package's own doing: nobody else is in the pod
	case end != nil:
		return fmt.Errorf("the pod ended without saying how its command did: %s %s (%d)", end.Reason, end.Message, end.ExitCode)
	}
	return fmt.Errorf("the pod ended in the phase %s, and says no reason", p.Status.Phase)
}
