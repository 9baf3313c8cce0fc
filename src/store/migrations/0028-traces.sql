-- Which trace ordered it (W3C Trace Context), so that whoever works on it goes on with that; null: nobody's request did.
alter table operations add column traceparent text;
