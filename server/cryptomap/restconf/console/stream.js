// JSON that is read while it arrives: the entries of one list are handed on as soon as each is whole, with the keys
// ("name") of the entries around it. Nothing else is kept, so that a list of any length needs the memory of one entry.

export class JsonStream {
  #list;
  #found;
  #above = []; // for each open object or array: {isList, key, name}
  #text = "";
  #at = 0;
  #start = -1; // where the entry being read begins
  #depth = 0; // objects and arrays open inside it
  #string = false;
  #escape = false;
  #from = 0;
  #key = null;
  #last = null;

  constructor(list, found) {
    this.#list = list;
    this.#found = found;
  }

  feed(piece) {
    this.#text += piece;
    for (; this.#at < this.#text.length; this.#at++) this.#character(this.#text[this.#at]);
    const keep = this.#start >= 0 ? this.#start : this.#string ? this.#from : this.#at;
    this.#text = this.#text.slice(keep);
    this.#at -= keep;
    this.#from -= keep;
    if (this.#start >= 0) this.#start = 0;
  }

  #character(c) {
    if (this.#string) {
      if (this.#escape) this.#escape = false;
      else if (c === "\\") this.#escape = true;
      else if (c === '"') this.#endString();
      return;
    }
    if (c === '"') {
      this.#string = true;
      this.#from = this.#at;
    } else if (c === "{" || c === "[") this.#open(c);
    else if (c === "}" || c === "]") this.#close();
    else if (c === ":" && this.#start < 0) this.#key = this.#last;
    else if (c === "," && this.#start < 0) this.#key = null;
  }

  #endString() {
    this.#string = false;
    if (this.#start >= 0) return;
    const value = JSON.parse(this.#text.slice(this.#from, this.#at + 1));
    const top = this.#above.at(-1);
    if (this.#key !== null && this.#key.split(":").at(-1) === "name" && top) top.name = value;
    this.#last = value;
  }

  #open(c) {
    if (this.#start >= 0) {
      this.#depth++;
      return;
    }
    const top = this.#above.at(-1);
    if (c === "{" && top?.isList && top.key?.split(":").at(-1) === this.#list) {
      this.#start = this.#at;
      this.#depth = 1;
      return;
    }
    this.#above.push({ isList: c === "[", key: this.#key, name: null });
    this.#key = null;
  }

  #close() {
    if (this.#start < 0) {
      this.#above.pop();
      return;
    }
    if (--this.#depth > 0) return;
    const names = this.#above.filter((item) => !item.isList && item.name !== null).map((item) => item.name);
    this.#found(JSON.parse(this.#text.slice(this.#start, this.#at + 1)), names);
    this.#start = -1;
  }
}
