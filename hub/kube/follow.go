package kube

import (
	"context"
	"errors"
	"time"

	"github.com/vision-platform/trainer-agent/trainers/kit/runner"
)

// sighting is a pod as it was seen; gone when it is there no longer.
type sighting struct {
	pod  pod
	gone bool
}

var errDeleted = errors.New("the pod was deleted, by its node's end, a drain, the Job's deadline or a person")

// verdict is what the end of a pod says. One that is gone was deleted by somebody else, or
// by the Job's deadline.
func (s sighting) verdict(limits runner.Limits, ran bool) error {
	if s.gone && !s.pod.over() {
		return errDeleted
	}
	return s.pod.verdict(limits, ran)
}

// follow tells of each change of the pods that have a label, until ctx ends. A watch is
// begun again wherever it ends; an error means that the server did not answer for too long.
// Between two watches it rests: whoever ends them at once is not to be asked in a circle.
func (k *Kubernetes) follow(ctx context.Context, selector string, seen chan<- sighting) error {
	tell := func(p pod, gone bool) {
		select {
		case seen <- sighting{p, gone}:
		case <-ctx.Done():
		}
	}
	answered, version := time.Now(), ""
	known := map[string]pod{}
	for ctx.Err() == nil {
		var err error
		if version == "" {
			var pods []pod
			if pods, version, err = k.client.list(ctx, selector); err == nil {
				answered, known = time.Now(), k.compare(known, pods, tell)
			}
		}
		if err == nil {
			version, err = k.client.watch(ctx, selector, version, func(p pod, gone bool) {
				if known[p.Metadata.Name] = p; gone {
					delete(known, p.Metadata.Name)
				}
				tell(p, gone)
			})
			if err == nil || errors.Is(err, errCutShort) { // it may have been quiet for minutes
				answered, err = time.Now(), nil
			}
		}
		if errors.Is(err, errGone) {
			version, err = "", nil
		}
		if r, refused := errors.AsType[*refusal](err); refused && r.code < 500 && r.code != 429 || err != nil && time.Since(answered) > k.patience.api {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(k.patience.again):
		}
	}
	return ctx.Err()
}

// compare tells of what has changed while nobody watched.
func (k *Kubernetes) compare(before map[string]pod, pods []pod, tell func(pod, bool)) map[string]pod {
	now := map[string]pod{}
	for _, p := range pods {
		now[p.Metadata.Name] = p
		tell(p, false)
	}
	for name, p := range before {
		if _, there := now[name]; !there {
			tell(p, true)
		}
	}
	return now
}
