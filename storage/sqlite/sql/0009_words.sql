-- Words as `relay.protocol.tokenizer` gives them, the same for what is stored, asked and matched live. The index holds no text:
-- triggers give it the folded words (`folded` is that function), between which the tokenizer sees spaces alone.

-- words: what the index was made by; where that is not what the program has, it is made again. words_done: how far that has
-- come, the id of a passage; '' when it is complete.
INSERT INTO meta (name, value) VALUES ('words', ''), ('words_done', '');

DROP TRIGGER passages_come;
DROP TRIGGER passages_go;
DROP TABLE passage_vocabulary;
DROP TABLE passage_words;

CREATE VIRTUAL TABLE passage_words USING fts5 (title, content, content = '', tokenize = 'ascii');
CREATE VIRTUAL TABLE passage_vocabulary USING fts5vocab ('passage_words', 'row');

CREATE TRIGGER passages_come AFTER INSERT ON passages BEGIN
    INSERT INTO passage_words (rowid, title, content) VALUES (new.id, folded(new.title), folded(new.content));
END;

CREATE TRIGGER passages_go AFTER DELETE ON passages BEGIN
    INSERT INTO passage_words (passage_words, rowid, title, content)
    VALUES ('delete', old.id, folded(old.title), folded(old.content));
    INSERT INTO removed_passages (passage_id)
    SELECT old.id WHERE EXISTS (
        SELECT 1 FROM vectors WHERE key IN (SELECT slot * 1099511627776 + old.id FROM spaces)
    );
    DELETE FROM vectors WHERE key IN (SELECT slot * 1099511627776 + old.id FROM spaces);
END;
