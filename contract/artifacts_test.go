package contract

import (
	"fmt"
	"testing"
)

func TestArtifactsAreOneAFolderAndNeverMoreThanTheMost(t *testing.T) {
	var all []Artifact
	add := func(name string) {
		all = append(all, Artifact{Name: name, Path: "s3://b/checkpoints/job-1/" + name, SizeBytes: 2, SHA256: "ab"})
	}
	add("best.pt")
	for i := range 3000 {
		add(fmt.Sprintf("best/part-%d.bin", i))
	}
	add("best/deep/tokenizer.json")
	add("last.pt")
	list, dropped := ListArtifacts(all)
	if len(list) != 3 || dropped != 0 {
		t.Fatalf("%d entries, %d dropped: %+v", len(list), dropped, list)
	}
	if f := list[1]; f.Name != "best/" || f.Path != "s3://b/checkpoints/job-1/best/" || f.SizeBytes != 2*3001 || f.SHA256 != "" {
		t.Errorf("the folder is %+v", f)
	}
	if list[0].SHA256 != "ab" || list[2].Name != "last.pt" {
		t.Errorf("the files are %+v and %+v", list[0], list[2])
	}
	all = nil
	for i := range MaxArtifacts + 7 {
		add(fmt.Sprintf("epoch-%d.pt", i))
	}
	if list, dropped := ListArtifacts(all); len(list) != MaxArtifacts || dropped != 7 || list[0].Name != "epoch-7.pt" {
		t.Errorf("%d entries from %s on, %d dropped", len(list), list[0].Name, dropped)
	}
}
