package history

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"qme/executor"
	"qme/record"
)

// trainingBytes is about how much each training prints.
const trainingBytes = 10 << 10

// training makes a run one of a sweep over learning rates and seeds, and returns what it prints.
func training(rec *record.Record, index, size int, r *rand.Rand) []byte {
	params := record.Params{{Name: "lr", Value: rates[index%len(rates)]}, {Name: "seed", Value: strconv.Itoa(index / len(rates))}, {Name: "batch", Value: "64"}}
	d := &rec.Data
	d.Params, d.Group, d.Cmd = params, &record.Group{Name: "sweep", Index: index + 1, Size: size}, []string{"python", "train.py"}
	for _, p := range params {
		d.Cmd = append(d.Cmd, "--"+p.Name+"="+p.Value)
	}
	rec.Command = executor.Quote(d.Cmd)
	var out strings.Builder
	for epoch := 1; out.Len() < trainingBytes; epoch++ {
		if epoch%3 == 0 {
			fmt.Fprintf(&out, "saving checkpoint checkpoints/epoch-%03d.pt took %.2f s\n", epoch, r.Float64())
		}
		fmt.Fprintf(&out, "epoch %d loss=%.5f acc: %.4f lr=%s\n", epoch, 5/float64(epoch)+r.Float64()/10, 1-1/float64(epoch+1)-r.Float64()/10, params[0].Value)
	}
	return []byte(out.String())
}
