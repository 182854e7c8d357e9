package contract

import "encoding/json"

// ClassMap is classes.json beside every prepared dataset: how the trainer's class
// index maps to the platform's class.
type ClassMap struct {
	Task    TaskType      `json:"task_type"`
	Format  DatasetFormat `json:"format"`
	Classes []ClassEntry  `json:"classes"` // in index order, 0…n−1 without gaps
}

// ClassEntry is one class.
type ClassEntry struct {
	Index  int             `json:"index"`
	ID     json.RawMessage `json:"id"`   // as the dataset spells it: a number or a string
	Name   string          `json:"name"` // the true name
	Folder string          `json:"folder,omitempty"`
}
