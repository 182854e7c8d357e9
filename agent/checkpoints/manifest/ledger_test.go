package manifest

import (
	"slices"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/naming"
	"github.com/vision-platform/trainer-agent/contract"
)

func TestModelsThatCannotBeTrainedFurtherAreNotResumed(t *testing.T) {
	var m contract.Manifest
	for _, f := range []struct {
		name  string
		epoch int
	}{{"last.onnx", 9}, {"best.pt", 3}, {"epoch-7.pt", 7}, {"last.pt", 7}, {"yolo11n.pt", 0}, {"outputs/last.pt", 0}, {"../last.pt", 9}, {"epoch-5/model.safetensors", 5}} {
		m.Files = append(m.Files, contract.ManifestFile{Name: f.name, Epoch: f.epoch})
	}
	var got []string
	for _, e := range LedgerOf(m).Resumable() {
		got = append(got, e.Name)
	}
	if want := []string{"last.pt", "epoch-7.pt", "epoch-5", "best.pt"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Lightning writes last-v1.ckpt beside the last.ckpt of an earlier training: an older
// agent kept both names in the manifest.
func TestTheNewestOfManyByEpochThenByTime(t *testing.T) {
	at := func(n int) contract.Timestamp { return contract.At(time.Unix(int64(n), 0)) }
	for name, tc := range map[string]struct {
		files []contract.ManifestFile
		want  string
	}{
		"a later epoch that went up first": {[]contract.ManifestFile{{Name: "last-v1.ckpt", Epoch: 7, Time: at(1)}, {Name: "last.ckpt", Epoch: 3, Time: at(2)}}, "last-v1.ckpt"},
		"the time when no epoch is known":  {[]contract.ManifestFile{{Name: "last.ckpt", Time: at(1)}, {Name: "last-v1.ckpt", Time: at(2)}}, "last-v1.ckpt"},
		"the time of one epoch":            {[]contract.ManifestFile{{Name: "last.pt", Epoch: 3, Time: at(1)}, {Name: "last-v2.pt", Epoch: 3, Time: at(2)}}, "last-v2.pt"},
		"no export":                        {[]contract.ManifestFile{{Name: "last.onnx", Epoch: 9, Time: at(9)}, {Name: "last.pt", Epoch: 3, Time: at(1)}}, "last.pt"},
	} {
		l := LedgerOf(contract.Manifest{Files: tc.files})
		if e := l.Find(naming.Last); e == nil || e.Name != tc.want {
			t.Errorf("%s: done would name %+v, want %s", name, e, tc.want)
		}
		if e := l.Resumable(); len(e) == 0 || e[0].Name != tc.want {
			t.Errorf("%s: resumed from %+v, want %s", name, e, tc.want)
		}
	}
}

// A training whose weights do not change writes the same file in every epoch.
func TestTheLatestOfEqualObjectsSaysTheEpoch(t *testing.T) {
	var m contract.Manifest
	for epoch := range 9 {
		m.Files = append(m.Files, contract.ManifestFile{Name: naming.OfEpoch(epoch+1, ".pt").Name, SHA256: "same", Epoch: epoch + 1})
	}
	last := contract.ManifestFile{Name: "last.pt", SHA256: "same"}
	l := LedgerOf(m)
	for range 20 {
		if got := l.EpochOfContent([]contract.ManifestFile{last}); got != 9 {
			t.Fatalf("epoch %d, want 9", got)
		}
	}
	if got := l.EpochOfContent([]contract.ManifestFile{{Name: "last.pt", SHA256: "other"}}); got != 0 {
		t.Errorf("epoch %d of another content", got)
	}
}
