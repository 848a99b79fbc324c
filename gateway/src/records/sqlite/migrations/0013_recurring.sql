-- Posts that recur, found by their next time: a calendar shows those that follow too. How its time was asked for (`plan`) names the rule.
CREATE INDEX lives_recurring ON lives (due_at) WHERE instr(plan, '"rule":') > 0;
