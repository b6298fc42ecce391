// Logs predictions in the documented line format, from Go: go run writer.go FOLDER MODEL VERSION <scores.txt
//
// Each line of the input has an item and a score. It prints the item and the id of the prediction.
package main

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"
	"time"
)

const threshold = 0.5

// A Log appends lines to a file that only this process writes. It numbers them, so the agent notices lost lines.
type Log struct {
	file     *os.File
	writer   string
	sequence int
}

// Open opens a log in a folder.
func Open(folder string) (*Log, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	start := time.Now().UnixMilli()
	name := fmt.Sprintf("go-%s-%d-%d.ndjson", host, os.Getpid(), start)
	file, err := os.OpenFile(filepath.Join(folder, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	return &Log{file: file, writer: fmt.Sprintf("%s:%d:%d", host, os.Getpid(), start)}, err
}

type object = map[string]any

// Prediction logs one scored item and returns the id that the client sends back with a click.
func (l *Log) Prediction(model, version, item string, score float64) (string, error) {
	now := time.Now().UTC()
	id := uuid7(now)
	label := 0
	if score >= threshold {
		label = 1
	}
	clipped := math.Min(math.Max(score, 1e-7), 1-1e-7)
	return id, l.append(object{
		"@timestamp": now.Format("2006-01-02T15:04:05.000000Z"),
		"event":      object{"dataset": "model.prediction", "id": id, "sequence": l.sequence + 1},
		"service":    object{"name": "go-scores", "node": object{"name": l.writer}},
		"model":      object{"name": model, "version": version},
		"item":       object{"id": item},
		"prediction": object{
			"id": id, "score": score, "label": label, "threshold": threshold, "rank": 1,
			"log_loss_1": -math.Log(clipped), "log_loss_0": -math.Log1p(-clipped),
		},
	})
}

// append writes one line with one call; the number counts only if the line is in the file.
func (l *Log) append(event object) error {
	line, err := json.Marshal(event)
	if err != nil {
		return err
	}
	if _, err := l.file.Write(append(line, '\n')); err != nil {
		return err
	}
	l.sequence++
	return nil
}

// uuid7 returns a UUID with the time of the prediction: the agent reads the day from the id alone.
func uuid7(moment time.Time) string {
	var id [16]byte
	if _, err := rand.Read(id[6:]); err != nil {
		log.Fatal(err)
	}
	var milliseconds [8]byte
	binary.BigEndian.PutUint64(milliseconds[:], uint64(moment.UnixMilli()))
	copy(id[:6], milliseconds[2:])
	id[6] = 0x70 | id[6]&0x0f
	id[8] = 0x80 | id[8]&0x3f
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: go run writer.go FOLDER MODEL VERSION <scores.txt")
	}
	events, err := Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		var item string
		var score float64
		if _, err := fmt.Sscan(input.Text(), &item, &score); err != nil {
			log.Fatal(err)
		}
		id, err := events.Prediction(os.Args[2], os.Args[3], item, score)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(item, id)
	}
}
