package exported

import (
	"encoding/json"
	"errors"
	"fmt"
)

// schema is the version of metadata.json that is read.
const schema = 1

// Metadata is what inspect tells of metadata.json; trainer_vision's metadata.schema.json describes all of it.
type Metadata struct {
	SchemaVersion int         `json:"schema_version"`
	Model         Model       `json:"model"`
	Classes       []Class     `json:"classes"`
	Input         Input       `json:"input"`
	Preprocess    Preprocess  `json:"preprocess"`
	Outputs       []Output    `json:"outputs"`
	Postprocess   Postprocess `json:"postprocess"`
	Parity        keyed       `json:"parity"`
	Validation    keyed       `json:"validation"`
	Timing        keyed       `json:"timing"`
	Versions      keyed       `json:"versions"`
	Provenance    Provenance  `json:"provenance"`
}

// keyed is a part that is printed as it is.
type keyed map[string]any

// Model is the file and what it is for.
type Model struct {
	Name      string `json:"name"`
	Framework string `json:"framework"`
	Task      string `json:"task"`
	File      string `json:"file"`
	Format    string `json:"format"`
	SHA256    string `json:"sha256"`
	SizeBytes int64  `json:"size_bytes"`
	Precision string `json:"precision"`
}

// Class has the platform's id, null where there is none.
type Class struct {
	Index int    `json:"index"`
	ID    any    `json:"id"`
	Name  string `json:"name"`
}

// Input is what goes in; -1 is a free side.
type Input struct {
	Name   string  `json:"name"`
	Layout string  `json:"layout"`
	DType  string  `json:"dtype"`
	Shape  []int64 `json:"shape"`
	Color  string  `json:"color"`
}

// Preprocess is what happens to an image before the network, and whether the graph does it.
type Preprocess struct {
	Included bool `json:"included"`
	Resize   struct {
		Mode   string `json:"mode"`
		Width  int    `json:"width"`
		Height int    `json:"height"`
		Kernel string `json:"kernel"`
	} `json:"resize"`
}

// Output is one answer.
type Output struct {
	Name  string  `json:"name"`
	Kind  string  `json:"kind"`
	DType string  `json:"dtype"`
	Shape []int64 `json:"shape"`
}

// Postprocess is what happens to the answers, and whether the graph does it.
type Postprocess struct {
	Included   bool     `json:"included"`
	Confidence *float64 `json:"conf_threshold"`
	Overlap    *float64 `json:"iou_threshold"`
	Most       *int     `json:"max_detections"`
	BoxSpace   string   `json:"box_space"`
}

// Provenance says where a model is from.
type Provenance struct {
	JobID            string   `json:"job_id"`
	CheckpointSHA256 string   `json:"checkpoint_sha256"`
	CreatedAt        string   `json:"created_at"`
	VerifiedBy       []string `json:"verified_by"`
}

// ParseMetadata reads metadata.json.
func ParseMetadata(text []byte) (*Metadata, error) {
	var m Metadata
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("reading the metadata: %w", err)
	}
	switch {
	case m.SchemaVersion == 0:
		return nil, errors.New("the metadata has no schema_version: it is not of an export by this agent's trainers, or of one before schema 1")
	case m.SchemaVersion != schema:
		return nil, fmt.Errorf("the metadata is of schema %d, this agent reads %d: use a newer agent", m.SchemaVersion, schema)
	case m.Model.Format == "" || m.Input.Layout == "" || len(m.Outputs) == 0:
		return nil, errors.New("the metadata lacks the model's format, input or outputs")
	}
	return &m, nil
}
