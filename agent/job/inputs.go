package job

import (
	"encoding/json"
	"strconv"

	"github.com/vision-platform/trainer-agent/converters"
)

// Inputs is everything that was brought in before the child starts.
type Inputs struct {
	Dataset    string // its folder
	Annotated  string // path of the dataset's annotations
	Converted  *converters.Prepared
	Weights    string // path
	Resumed    string // path of the checkpoint that is resumed from
	Epoch      int    // that it holds
	Checkpoint string // path of an inference or export job's checkpoint
	Classes    string // path of the classes that it was trained on
	Images     []string
	ImageList  string // path of the file that names all images of an inference job
}

// Environment is what the child gets of all this (contract, section 3).
func (in Inputs) Environment(ws Workspace) map[string]string {
	env := map[string]string{"OUTPUT_DIR": ws.Output(), "CHECKPOINT_DIR": ws.Checkpoints()}
	if in.Dataset != "" {
		env["DATASET_DIR"], env["ANNOTATIONS_PATH"] = in.Dataset, in.Annotated
	}
	if c := in.Converted; c != nil {
		names := make([]string, 0, len(c.Classes.Classes))
		for _, class := range c.Classes.Classes {
			names = append(names, class.Name)
		}
		env["DATASET_DIR"], env["DATASET_CONFIG"], env["DATASET_FORMAT"] = c.Dir, c.Config, string(c.Format)
		env["ANNOTATIONS_PATH"] = c.Annotations
		env["NUM_CLASSES"], env["CLASS_NAMES"] = strconv.Itoa(len(names)), listJSON(names)
	}
	if dir := env["DATASET_DIR"]; dir != "" {
		env["DATASET_URI"] = "file://" + dir
	}
	if in.Weights != "" {
		env["PRETRAINED_WEIGHTS"] = in.Weights
	}
	if in.Resumed != "" {
		env["RESUME_CHECKPOINT"], env["RESUME_EPOCH"] = in.Resumed, strconv.Itoa(in.Epoch)
	}
	if in.Checkpoint != "" {
		env["CHECKPOINT_FILE"] = in.Checkpoint
	}
	if in.Classes != "" {
		env["CLASSES_FILE"] = in.Classes
	}
	if in.ImageList != "" {
		env["INPUTS_FILE"] = in.ImageList
	}
	if in.Images != nil {
		env["IMAGE_FILES"] = listJSON(in.Images)
	}
	return env
}

func listJSON(list []string) string {
	b, _ := json.Marshal(list) // strings always encode
	return string(b)
}
