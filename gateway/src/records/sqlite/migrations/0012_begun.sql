-- When the first attempt on what a target says now began; null before. Every attempt after it speaks of this time to the network, so
-- that it stays the same call, and a post that waited is as young as it looks.
ALTER TABLE targets ADD COLUMN begun_at INTEGER;
UPDATE targets SET begun_at = (SELECT created_at FROM posts WHERE id = post) WHERE attempt > 0;
