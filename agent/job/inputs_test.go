package job

import (
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
)

func TestTheChildFindsItsInputs(t *testing.T) {
	classes := contract.ClassMap{Classes: []contract.ClassEntry{{Name: "a"}, {Name: "b"}}}
	for name, c := range map[string]struct {
		in    Inputs
		want  map[string]string
		unset []string
	}{
		"an inference": {
			Inputs{Weights: "/ws/weights/w.pt", Images: []string{"/ws/inputs/images/000000-a.jpg"}, Checkpoint: "/ws/inputs/best.pt"},
			map[string]string{
				"OUTPUT_DIR": "/ws/runs", "CHECKPOINT_DIR": "/ws/runs/checkpoints", "PRETRAINED_WEIGHTS": "/ws/weights/w.pt",
				"CHECKPOINT_FILE": "/ws/inputs/best.pt", "IMAGE_FILES": `["/ws/inputs/images/000000-a.jpg"]`,
			},
			[]string{"RESUME_CHECKPOINT", "DATASET_DIR", "DATASET_URI"},
		},
		"a training that is resumed": {
			Inputs{
				Dataset: "/data", Annotated: "/data/annotations.json", Resumed: "/ws/inputs/last.pt", Epoch: 3,
				Converted: &converters.Prepared{Dir: "/ws/prepared", Config: "/ws/prepared/data.yaml", Format: "yolo", Annotations: "/ws/prepared/a.json", Classes: classes},
			},
			map[string]string{
				"DATASET_DIR": "/ws/prepared", "DATASET_URI": "file:///ws/prepared", "DATASET_CONFIG": "/ws/prepared/data.yaml", "DATASET_FORMAT": "yolo",
				"ANNOTATIONS_PATH": "/ws/prepared/a.json", "NUM_CLASSES": "2", "CLASS_NAMES": `["a","b"]`, "RESUME_CHECKPOINT": "/ws/inputs/last.pt", "RESUME_EPOCH": "3",
			},
			[]string{"CHECKPOINT_FILE", "IMAGE_FILES", "PRETRAINED_WEIGHTS"},
		},
		"a dataset as it lies": {
			Inputs{Dataset: "/data", Annotated: "/data/annotations.json"},
			map[string]string{"DATASET_DIR": "/data", "DATASET_URI": "file:///data", "ANNOTATIONS_PATH": "/data/annotations.json"},
			[]string{"DATASET_CONFIG", "NUM_CLASSES"},
		},
	} {
		env := c.in.Environment(Workspace{Root: "/ws"})
		for variable, want := range c.want {
			if env[variable] != want {
				t.Errorf("%s: %s is %q, want %q", name, variable, env[variable], want)
			}
		}
		for _, variable := range c.unset {
			if _, set := env[variable]; set {
				t.Errorf("%s: %s is set without one", name, variable)
			}
		}
	}
}
