// Package imagefolder writes classification datasets as folders of classes, for
// torchvision, timm, Hugging Face datasets and Ultralytics.
//
// It promises that all four derive the class index that classes.json says, in
// every split, and that no folder or file name hides an image from one of them.
// It leaves finding the images and splitting them to others.
package imagefolder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images/imagefile"
	"github.com/vision-platform/trainer-agent/converters/write/plan"
	"github.com/vision-platform/trainer-agent/converters/write/staging"
)

// Reader is what the framework takes. All get what every reader has: timm looks for
// JPEG and PNG only. Images with a side below 10 pixels only Ultralytics drops.
func Reader(framework string) plan.Reader {
	r := plan.Reader{Formats: map[string]bool{imagefile.JPEG: true, imagefile.PNG: true}}
	if framework == contract.FrameworkUltralytics {
		r.MinSide = 10
	}
	return r
}

// Write writes the plan's images to dir. A counter gets the same and keeps nothing.
func Write(ctx context.Context, p *plan.Plan, dir *staging.Dir, progress func(done, total int)) ([]plan.Count, contract.ClassMap, error) {
	labels := classify(p)
	classes, index := classMap(p, labels)
	tally := plan.NewTally(len(classes.Classes))
	perClass := make(map[contract.Split][]int)
	for i := range p.Images {
		class := index[labels[i]]
		tally.Add(p.Images[i].Split, []int{class})
	}
	for _, c := range tally.Counts() {
		perClass[c.Split] = c.PerClass
	}
	if !p.Measured {
		checkSplits(perClass, classes.Classes, p.Problems)
	}
	p.Flatten(func(i int) string { return classes.Classes[index[labels[i]]].Folder })
	if p.Problems.Fatal() {
		return tally.Counts(), classes, nil
	}
	if err := p.Place(ctx, dir, "", progress); err != nil {
		return nil, classes, err
	}
	digest := sha256.New()
	fmt.Fprintln(digest, dir.Final)
	for _, im := range p.Images {
		fmt.Fprintf(digest, "%s/%s\n", im.Split, im.Rel)
	}
	card := readme(classes, tally.Counts(), hex.EncodeToString(digest.Sum(nil)[:8]))
	return tally.Counts(), classes, describe(dir, classes, card)
}

// classify drops the images without a usable class and returns the class of the
// others, by index into p.Images.
func classify(p *plan.Plan) []int {
	var labels []int
	kept := p.Images[:0]
	for _, im := range p.Images {
		if class := label(p.Catalog, im.Index, p.Problems); class >= 0 {
			kept = append(kept, im)
			labels = append(labels, class)
		}
	}
	if len(kept) == 0 && len(p.Images) > 0 && p.Problems.Count(problem.SeveralLabels)+p.Problems.Count(problem.ObjectsWithoutClassLabel) == 0 {
		p.Problems.AddN(problem.NoClassLabels, len(p.Images), 0, "none of %d has", len(p.Images))
	}
	p.Images = kept
	return labels
}

// classMap is classes.json: the classes that have an image, in id order, since a
// reader numbers the folders that it sees. Index maps the catalog's classes to
// it.
func classMap(p *plan.Plan, labels []int) (contract.ClassMap, map[int]int) {
	used := make(map[int]bool)
	for _, class := range labels {
		used[class] = true
	}
	m := contract.ClassMap{Task: p.Rules.Task, Format: contract.FormatImageFolder, Classes: []contract.ClassEntry{}}
	index := make(map[int]int)
	var names []string
	for i, c := range p.Catalog.Classes {
		if !used[i] && !p.Measured {
			p.Problems.Add(problem.ClassWithoutImages, i, "%q", c.Name)
			continue
		}
		index[i] = len(names)
		names = append(names, c.Name)
		m.Classes = append(m.Classes, contract.ClassEntry{Index: index[i], ID: c.ID, Name: c.Name})
	}
	for i, folder := range Folders(names) {
		m.Classes[i].Folder = folder
	}
	if len(names) == 1 {
		p.Problems.Add(problem.SingleClass, 0, "%q", names[0])
	}
	return m, index
}

// describe writes what stands beside the folders: timm's class map, and the splits
// for Hugging Face.
func describe(dir *staging.Dir, classes contract.ClassMap, card []byte) error {
	var lines strings.Builder
	for _, c := range classes.Classes {
		lines.WriteString(c.Folder + "\n")
	}
	if err := dir.Write("class_map.txt", []byte(lines.String())); err != nil {
		return err
	}
	return dir.Write("README.md", card)
}

// readme names the splits for load_dataset, which would guess them from folder
// names otherwise. The cache of load_dataset tells two folders of one name apart
// by these settings alone, not by the files, so a digest of the file names and
// of the folder's place stands among them.
func readme(classes contract.ClassMap, counts []plan.Count, digest string) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "---\nconfigs:\n- config_name: default\n  description: \"files %s\"\n  data_files:\n", digest)
	for _, c := range counts {
		name := string(c.Split)
		if c.Split == contract.SplitVal {
			name = "validation"
		}
		fmt.Fprintf(&out, "  - split: %s\n    path: \"%s/**\"\n", name, c.Split)
	}
	out.WriteString("---\n\nPrepared by trainer-agent. The class of an image is its folder; classes.json has\nthe true names and the platform's ids.\n\n| split | images |\n|---|---|\n")
	for _, c := range counts {
		fmt.Fprintf(&out, "| %s | %d |\n", c.Split, c.Images)
	}
	fmt.Fprintf(&out, "\n%d classes.\n", len(classes.Classes))
	return out.Bytes()
}
