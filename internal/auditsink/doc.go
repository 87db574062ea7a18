// Package auditsink sends the audit trail to where people read it: a file, or a receiver of OpenTelemetry logs.
//
// A [Pump] reads the events that have a place in the trail, gives them to a [Sink] in order, and then stores how far it
// got. So each event is delivered at least once, whatever is killed or cannot be reached. While a sink fails, the pump
// tries again, later and later; the events wait in the database. Of several servers, the one that holds the lease of the
// sink delivers.
//
//	pump := auditsink.Pump{Store: db, Sink: &auditsink.File{Path: "/var/log/rolebroker/audit.jsonl"}, …}
//	pump.Run(ctx)
//
// The package drops nothing, and changes no event.
package auditsink
