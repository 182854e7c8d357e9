package checkpoints

import (
	"context"
	"errors"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

type stored map[string]int64

func (s stored) Stat(_ context.Context, key string) (contract.ObjectInfo, error) {
	size, ok := s[key]
	if !ok {
		return contract.ObjectInfo{}, errors.New("no such object")
	}
	return contract.ObjectInfo{Size: size}, nil
}

func TestACheckpointThatTheTrainingStoredItselfCountsWhereItIs(t *testing.T) {
	there := func(context.Context, string) (Statter, error) {
		return stored{"mine/best.pt": 7, "mine/empty.pt": 0}, nil
	}
	away := func(context.Context, string) (Statter, error) { return nil, errors.New("no such bucket") }
	for name, c := range map[string]struct {
		summary Summary
		uri     string
		open    func(context.Context, string) (Statter, error)
		path    string
		wrong   bool
	}{
		"there":                    {uri: "s3://theirs/mine/best.pt", open: there, path: "s3://theirs/mine/best.pt"},
		"not there":                {uri: "s3://theirs/mine/other.pt", open: there, wrong: true},
		"empty":                    {uri: "s3://theirs/mine/empty.pt", open: there, wrong: true},
		"the bucket is not there":  {uri: "s3://theirs/mine/best.pt", open: away, wrong: true},
		"a path on disk":           {uri: "/workspace/best.pt", open: away},
		"none named":               {open: away},
		"one of ours is there too": {summary: Summary{Best: "s3://ours/best.pt"}, uri: "s3://theirs/mine/other.pt", open: there, path: "s3://ours/best.pt"},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.summary
			err := s.TakeStored(t.Context(), c.uri, c.open)
			path := ""
			if p := s.CheckpointPath(); p != nil {
				path = *p
			}
			if (err != nil) != c.wrong || path != c.path {
				t.Errorf("%q, %v", path, err)
			}
			if (s.Stored != "") != (len(s.Artifacts) == 1) {
				t.Errorf("stored %q, artifacts %v", s.Stored, s.Artifacts)
			}
		})
	}
}
