package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/vision-platform/trainer-agent/contract"
)

// Readable says whether a trainer's content under a digest, or its tag, may be read: an error is
// why not. What a quarantined or removed version consists of is for nobody, under whatever
// trainer's name it is asked for, because a registry keeps blobs for all of them; layers that
// others have too are.
func (c *Catalog) Readable(ctx context.Context, name, reference string) error {
	rows, err := c.db.QueryContext(ctx, `SELECT `+columns+` FROM versions WHERE state IN ($1, $2)`, string(Quarantined), string(Removed))
	list, err := collect(rows, err)
	if err != nil {
		return err
	}
	for _, v := range list {
		of, err := v.digests()
		if err != nil {
			return err
		}
		if slices.Contains(of, reference) || v.Name == name && v.Version == reference {
			return refusal(v)
		}
	}
	return nil
}

// digests are those that are of this version alone.
func (v Version) digests() ([]string, error) {
	var r contract.Release
	if err := json.Unmarshal(v.Receipt, &r); err != nil {
		return nil, fmt.Errorf("reading the receipt of %s %s: %w", v.Name, v.Version, err)
	}
	of := []string{"sha256:" + v.SHA256, r.Image, r.Bundle, r.SBOM, r.Attestation}
	return slices.DeleteFunc(of, func(s string) bool { return s == "" }), nil
}

// refusal is why nobody gets a version, nil when who names it does.
func refusal(v Version) error {
	switch v.State {
	case Removed:
		return &Refusal{Gone: true, Text: fmt.Sprintf("%s %s was removed by the hub's operator: %s", v.Name, v.Version, v.Reason)}
	case Quarantined:
		return &Refusal{Foreign: true, Text: fmt.Sprintf("%s %s is quarantined by the hub's operator, and nobody can train with it: %s", v.Name, v.Version, v.Reason)}
	default:
		return nil
	}
}
