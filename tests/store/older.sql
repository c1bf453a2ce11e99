-- A state file of version 0.1.0, whose history is made of events: written by its code, dumped by sqlite3.
PRAGMA application_id = 1414352718;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE history (
            id INTEGER PRIMARY KEY,
            kind TEXT NOT NULL,
            target TEXT,
            at REAL NOT NULL,
            until REAL NOT NULL,
            times INTEGER NOT NULL,
            document TEXT NOT NULL
        ) STRICT;
INSERT INTO "history" VALUES(1,'checked','prod',1800000000.0,1800000000.0,1,'{"target":"prod","check":"gateway","at":1800000000.0,"took":0.1,"verdict":"pass","summary":"well"}');
INSERT INTO "history" VALUES(2,'checked','prod',1800000015.0,1800000020.0,2,'{"target":"prod","check":"gateway","at":1800000015.0,"took":0.1,"verdict":"fail","summary":"no answer","fault":"gateway_unreachable","charges":[{"fault":"gateway_unreachable","summary":"no answer"}]}');
INSERT INTO "history" VALUES(3,'fault_changed','prod',1800000020.0,1800000020.0,1,'{"target":"prod","at":1800000020.0,"fault":"gateway_unreachable","confirmed":true,"summary":"no answer"}');
INSERT INTO "history" VALUES(4,'incident_changed','prod',1800000020.0,1800000020.0,1,'{"target":"prod","at":1800000020.0,"id":"prod-20270115-080020","reason":"opened","fault":"gateway_unreachable","severity":2,"summary":"The gateway does not answer: no answer"}');
INSERT INTO "history" VALUES(5,'canary_returned','prod',1800000020.0,1800000020.0,1,'{"target":"prod","at":1800000020.0,"took":0.5}');
INSERT INTO "history" VALUES(6,'checked','prod',1800000020.0,1800000020.0,1,'{"target":"prod","check":"canary","at":1800000020.0,"took":0.5,"verdict":"pass","summary":"the gateway served it"}');
INSERT INTO "history" VALUES(7,'notice_handled','prod',1800000020.0,1800000020.0,1,'{"notifier":"slack","target":"prod","at":1800000020.0,"reason":"opened","outcome":"sent","mention":true}');
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
INSERT INTO "meta" VALUES('fingerprint_key',X'0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F');
CREATE TABLE silences (id TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
INSERT INTO "silences" VALUES('s1','{"id":"s1","target":"staging*","ends_at":1800086400.0,"comment":"upgrade","author":"ada"}');
CREATE TABLE targets (name TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
INSERT INTO "targets" VALUES('prod','{"target":"prod","trends":{"gateway":{"fails":2,"seen_in_row":{"gateway_unreachable":2},"since":{"gateway_unreachable":1800000015.0},"confirmed":{"gateway_unreachable":{"charge":{"fault":"gateway_unreachable","summary":"no answer"},"since":1800000015.0,"confirmed_at":1800000020.0}},"sighted":3,"seen_at":1800000020.0,"last":{"at":1800000020.0,"took":0.1,"verdict":"fail","summary":"no answer","fault":"gateway_unreachable"},"last_pass_at":1800000000.0,"ever_passed":true},"arrival":{},"canary":{"passes":1,"sighted":1,"seen_at":1800000020.0,"last":{"at":1800000020.0,"took":0.5,"verdict":"pass","summary":"the gateway served it"},"last_pass_at":1800000020.0,"ever_passed":true}},"canaries":[{"id":"c1","sent_at":1800000020.0,"sent_id":"00000000000000000000000000002711","span_id":"ours","nonce":"gtm-1","answered_at":1800000020.0,"accepted":true,"trace_id":"00000000000000000000000000000001","id_source":"feedback"}],"budget":{"day":20833,"sent":1},"incidents":[{"id":"prod-20270115-080020","target":"prod","opened_at":1800000020.0,"diagnosis":{"fault":"gateway_unreachable","severity":2,"component":"gateway","summary":"The gateway does not answer: no answer","because":["no answer"],"advice":"Open the gateway''s URL from another network; look at its pods, its ingress and its certificate.","since":1800000015.0},"began_at":1800000015.0,"worst":2,"critical_since":1800000020.0,"passages":[{"at":1800000020.0,"fault":"gateway_unreachable","severity":2,"text":"opened"}],"told":{"slack":{"reason":"opened","fault":"gateway_unreachable","severity":2,"at":1800000020.0,"receipt":{"channel":"C0PROD","ts":"1800000020.000100"},"called_at":1800000020.0,"mentioned_at":1800000020.0}}}]}');
CREATE INDEX history_by_time ON history (until);
COMMIT;
