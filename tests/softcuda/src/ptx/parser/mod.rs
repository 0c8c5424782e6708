//! From tokens to [`File`]: directives and declarations here, bodies in [`body`].

mod body;

use super::lexer::{Token, tokens};
use super::syntax::{File, Initial, Routine, Space, Variable};
use super::types::Ty;

/// Reads a whole file.
pub fn file(text: &str) -> Result<File<'_>, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    let mut file = File::default();
    while parser.peek().is_some() {
        parser.top(&mut file)?;
    }
    Ok(file)
}

struct Parser<'a> {
    tokens: Vec<(Token<'a>, u32)>,
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).map(|t| t.0)
    }

    fn line(&self) -> u32 {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(0, |t| t.1)
    }

    fn next(&mut self) -> Result<Token<'a>, String> {
        let token = self.peek().ok_or("the PTX ends early")?;
        self.at += 1;
        Ok(token)
    }

    fn error<T>(&self, what: impl std::fmt::Display) -> Result<T, String> {
        Err(format!("line {}: {what}", self.line()))
    }

    fn unexpected<T>(&self, wanted: &str) -> Result<T, String> {
        match self.peek() {
            Some(Token::Word(word)) => self.error(format!("`{word}` where {wanted} should be")),
            Some(Token::Mark(mark)) => self.error(format!("`{mark}` where {wanted} should be")),
            Some(_) => self.error(format!("a number or text where {wanted} should be")),
            None => self.error(format!("the PTX ends where {wanted} should be")),
        }
    }

    fn accept(&mut self, mark: char) -> bool {
        let found = self.peek() == Some(Token::Mark(mark));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, mark: char) -> Result<(), String> {
        if self.accept(mark) { Ok(()) } else { self.unexpected(&format!("`{mark}`")) }
    }

    fn word(&mut self) -> Result<&'a str, String> {
        match self.peek() {
            Some(Token::Word(word)) => {
                self.at += 1;
                Ok(word)
            }
            _ => self.unexpected("a name"),
        }
    }

    fn int(&mut self) -> Result<u64, String> {
        let negative = self.accept('-');
        match self.peek() {
            Some(Token::Int(value)) => {
                self.at += 1;
                Ok(if negative { value.wrapping_neg() } else { value })
            }
            _ => self.unexpected("a number"),
        }
    }

    fn top(&mut self, file: &mut File<'a>) -> Result<(), String> {
        let mut external = false;
        loop {
            let line = self.line();
            let word = self.word()?;
            match word {
                ".version" | ".address_size" => {
                    if self.next()? == Token::Int(32) && word == ".address_size" {
                        return self.error("32-bit addresses");
                    }
                    return Ok(());
                }
                ".target" => {
                    self.word()?;
                    while self.accept(',') {
                        self.word()?;
                    }
                    return Ok(());
                }
                ".file" => {
                    let number = self.int()? as u32;
                    if let Token::Text(name) = self.next()? {
                        file.sources.push((number, name));
                    }
                    while self.accept(',') {
                        self.int()?;
                    }
                    return Ok(());
                }
                ".section" => return self.section(),
                ".visible" | ".weak" | ".common" => {}
                ".extern" => external = true,
                ".entry" | ".func" => {
                    file.routines.push(self.routine(word == ".entry", line)?);
                    return Ok(());
                }
                ".global" | ".const" | ".shared" => {
                    let space = match word {
                        ".global" => Space::Global,
                        ".const" => Space::Const,
                        _ => Space::Shared,
                    };
                    let mut variables = self.variables(space)?;
                    variables.iter_mut().for_each(|v| v.external |= external);
                    file.variables.append(&mut variables);
                    return self.expect(';');
                }
                _ => {
                    self.at -= 1;
                    return self.unexpected("a directive that is known");
                }
            }
        }
    }

    /// Debug sections say nothing about what a kernel does.
    fn section(&mut self) -> Result<(), String> {
        while !self.accept('{') {
            self.next()?;
        }
        while !self.accept('}') {
            self.next()?;
        }
        Ok(())
    }

    fn routine(&mut self, entry: bool, line: u32) -> Result<Routine<'a>, String> {
        let returns = if self.accept('(') { self.formals()? } else { Vec::new() };
        let name = self.word()?;
        let parameters = if self.accept('(') { self.formals()? } else { Vec::new() };
        let mut max_threads = None;
        loop {
            let word = match self.peek() {
                Some(Token::Word(word)) => word,
                Some(Token::Mark(';')) => {
                    self.at += 1;
                    let body = None;
                    return Ok(Routine {
                        entry,
                        name,
                        returns,
                        parameters,
                        body,
                        max_threads,
                        line,
                    });
                }
                _ => break,
            };
            self.at += 1;
            match word {
                ".maxntid" | ".reqntid" | ".minnctapersm" | ".maxnctapersm" | ".maxnreg" => {
                    let mut product = self.int()?;
                    while self.accept(',') {
                        product = product.saturating_mul(self.int()?);
                    }
                    if word.ends_with("ntid") {
                        max_threads = Some(product.min(1024) as u32);
                    }
                }
                ".noreturn" => {}
                ".pragma" => {
                    self.next()?;
                    self.expect(';')?;
                }
                _ => {
                    self.at -= 1;
                    return self.unexpected("a body");
                }
            }
        }
        self.expect('{')?;
        let body = Some(self.body()?);
        Ok(Routine { entry, name, returns, parameters, body, max_threads, line })
    }

    fn formals(&mut self) -> Result<Vec<Variable<'a>>, String> {
        let mut formals = Vec::new();
        while !self.accept(')') {
            if !formals.is_empty() {
                self.expect(',')?;
            }
            match self.word()? {
                ".param" => formals.append(&mut self.declaration(Space::Param, false)?),
                ".reg" => return self.error("parameters in registers"),
                _ => return self.unexpected("a parameter"),
            }
        }
        Ok(formals)
    }

    fn variables(&mut self, space: Space) -> Result<Vec<Variable<'a>>, String> {
        self.declaration(space, true)
    }

    /// After the state space: alignment, type, names, sizes, initialisers.
    fn declaration(&mut self, space: Space, many: bool) -> Result<Vec<Variable<'a>>, String> {
        let (mut align, mut lanes, mut ty) = (None, 1, None);
        while let Some(Token::Word(word)) = self.peek() {
            let Some(directive) = word.strip_prefix('.') else { break };
            self.at += 1;
            match directive {
                "align" => align = Some(self.int()? as u32),
                "v2" => lanes = 2,
                "v4" => lanes = 4,
                // `.param .u64 .ptr .global .align 16 p`: a promise about the pointer.
                "ptr" => {
                    while let Some(Token::Word(
                        ".align" | ".global" | ".shared" | ".const" | ".local",
                    )) = self.peek()
                    {
                        if self.word()? == ".align" {
                            self.int()?;
                        }
                    }
                }
                "attribute" => return self.error("attributes of variables"),
                _ => match Ty::parse(directive) {
                    Some(found) => ty = Some(found),
                    None => return self.error(format!("`.{directive}` in a declaration")),
                },
            }
        }
        let Some(ty) = ty else { return self.unexpected("a type") };
        let unit = u64::from(ty.bytes() * lanes);
        let align = align.unwrap_or(unit as u32);
        if !align.is_power_of_two() {
            return self.error("an alignment that isn't a power of two");
        }
        let mut found = Vec::new();
        loop {
            let line = self.line();
            let name = self.word()?;
            let (mut bytes, mut external) = (unit, false);
            while self.accept('[') {
                if self.accept(']') {
                    external = true;
                    continue;
                }
                let Some(product) = bytes.checked_mul(self.int()?) else {
                    return self.error("an array larger than memory");
                };
                bytes = product;
                self.expect(']')?;
            }
            let mut initial = Vec::new();
            if self.accept('=') {
                self.initial(&mut initial)?;
                if external {
                    bytes = unit.saturating_mul(initial.len() as u64);
                    external = false;
                }
                if initial.len() as u64 * u64::from(ty.bytes()) > bytes {
                    return self.error("an initialiser longer than its variable");
                }
            }
            if external {
                bytes = 0;
            }
            found.push(Variable { space, name, ty, align, bytes, external, initial, line });
            if !many || !self.accept(',') {
                return Ok(found);
            }
        }
    }

    fn initial(&mut self, into: &mut Vec<Initial<'a>>) -> Result<(), String> {
        if self.accept('{') {
            while !self.accept('}') {
                self.initial(into)?;
                if !self.accept(',') && self.peek() != Some(Token::Mark('}')) {
                    return self.unexpected("`,` or `}`");
                }
            }
            return Ok(());
        }
        match self.peek() {
            Some(Token::F32(bits)) => {
                self.at += 1;
                into.push(Initial::Bits(u64::from(bits)));
            }
            Some(Token::F64(bits)) => {
                self.at += 1;
                into.push(Initial::Bits(bits));
            }
            Some(Token::Word(word)) => {
                self.at += 1;
                let mut name = word;
                if word == "generic" {
                    self.expect('(')?;
                    name = self.word()?;
                    self.expect(')')?;
                }
                let offset = if self.accept('+') { self.int()? as i64 } else { 0 };
                into.push(Initial::Symbol(name, offset));
            }
            _ => {
                let value = self.int()?;
                if self.peek() == Some(Token::Mark('(')) {
                    return self.error("masked addresses in an initialiser");
                }
                into.push(Initial::Bits(value));
            }
        }
        Ok(())
    }
}
